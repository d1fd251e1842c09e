"""``device config plan``: what a device would do to a patch of its config, asked of it itself."""

from pathlib import Path
from typing import Any

from moorage.cli.owner import editing, output, sending
from moorage.cli.owner.files import read_text
from moorage.cli.owner.following import Asking
from moorage.cli.owner.outcomes import Exit
from moorage.cli.owner.session import connected, device_id

# What our agent calls them, and what others may.
_PROBLEMS = ("obstacles", "problems")


def plan(profile: str | None, named: str, patch: str, asking: Asking, *, as_json: bool) -> Exit:
    """Print what the device would do and what would stop it; FAILED if something would.

    Raises:
        Refused: the patch is no JSON object, or the device did not answer in time.
        Invalid: no device could apply it.

    """
    wanted = editing.layer_of(_text_of(patch))
    editing.check_unmasked(wanted)
    with connected(profile) as client:
        device = device_id(client, named)
        sent = client.config.plan(device, wanted)
        done = sending.wait_for(client, device, sent, asking)
    effects = _sentences(done.result, "effects")
    problems = [one for part in _PROBLEMS for one in _sentences(done.result, part) or []]
    if as_json:
        output.emit(done)
    elif done.state != "succeeded" or effects is None:
        sending.show(done, as_json=False)
        output.note("the device did not say what it would do")
    else:
        _show(effects, problems, _sentences(done.result, "notes") or [])
    known = done.state == "succeeded" and effects is not None
    return Exit.OK if known and _would_apply(done.result, problems) else Exit.FAILED


def _would_apply(result: Any, problems: list[str]) -> bool:
    """Whether nothing stops it: a camera out of reach is told, but is the stream's own trouble."""
    said = result.get("would_apply") if isinstance(result, dict) else None
    return said if isinstance(said, bool) else not problems


def _text_of(patch: str) -> str:
    if patch.lstrip().startswith("{"):
        return patch
    return read_text(Path(patch))


def _sentences(result: Any, part: str) -> list[str] | None:
    """Return a list of the result as texts; None when there is none of this name.

    What the device answers is its own: an agent of another release may say more than sentences.
    """
    found = result.get(part) if isinstance(result, dict) else None
    if not isinstance(found, list):
        return None
    return [_sentence(one) for one in found]


def _sentence(one: Any) -> str:
    """Say an effect (``do`` to a service or stream) or an obstacle (``detail``) of our agent's."""
    if isinstance(one, str):
        return one
    about = one.get("service") or one.get("stream") if isinstance(one, dict) else None
    if isinstance(about, str) and isinstance(one.get("do"), str):
        image = f" ({one['image']})" if one.get("image") else ""
        pulls = one.get("pull_bytes")
        size = f", {pulls} bytes to pull" if type(pulls) is int else ""
        return f"{one['do'].replace('_', ' ')} {about}{image}{size}"
    if isinstance(one, dict) and isinstance(one.get("detail"), str):
        return f"{about}: {one['detail']}" if about else str(one["detail"])
    return output.compact(one)


def _show(effects: list[str], problems: list[str], notes: list[str]) -> None:
    for said, those in (("would", effects), ("problem", problems), ("note", notes)):
        for one in those:
            output.say(f"{said}: {one}")
    if not effects and not problems:
        output.say("nothing would change")

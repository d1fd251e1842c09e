"""``device config plan``: what a device would do to a patch of its config, asked of it itself."""

from pathlib import Path
from typing import Any

from moorage.cli.owner import editing, output, sending
from moorage.cli.owner.files import read_text
from moorage.cli.owner.following import Asking
from moorage.cli.owner.outcomes import Exit
from moorage.cli.owner.session import connected, device_id


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
    effects, problems = (_sentences(done.result, part) for part in ("effects", "problems"))
    if as_json:
        output.emit(done)
    elif done.state != "succeeded" or effects is None:
        sending.show(done, as_json=False)
        output.note("the device did not say what it would do")
    else:
        _show(effects, problems or [])
    known = done.state == "succeeded" and effects is not None
    return Exit.FAILED if problems or not known else Exit.OK


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
    return [one if isinstance(one, str) else output.compact(one) for one in found]


def _show(effects: list[str], problems: list[str]) -> None:
    for one in effects:
        output.say(f"would: {one}")
    for one in problems:
        output.say(f"problem: {one}")
    if not effects and not problems:
        output.say("nothing would change")

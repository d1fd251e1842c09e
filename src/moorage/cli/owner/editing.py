"""``device config edit``: the device's own layer in an editor, sent as a patch of what changed."""

import json
import os
import shlex
import subprocess
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from moorage import sdk
from moorage.cli.owner import output, profiles
from moorage.cli.owner.outcomes import Refused, usage
from moorage.cli.owner.session import connected, device_id

# What the server shows in the place of a secret to a key that may not read it.
MASK = "********"


class CannotSay(ValueError):
    """A change that no patch can say; the text says why."""


def patch_of(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Return the merge patch (RFC 7396) that makes ``after`` of ``before``.

    Raises:
        CannotSay: a null was taken out, for in a patch null stands for "take away" and absent for
            "leave as it is".

    """
    patch: dict[str, Any] = {}
    for key in [*before, *(key for key in after if key not in before)]:
        if key not in after:
            if before[key] is None:
                raise CannotSay(
                    f"the null of {key!r} cannot be taken out again; "
                    "give it a value, or roll back to a revision without it"
                )
            patch[key] = None
            continue
        new, old = after[key], before.get(key)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            inner = patch_of(old, new)
            if inner:
                patch[key] = inner
        elif key not in before or not _same(old, new):
            patch[key] = new
    return patch


def _same(one: Any, other: Any) -> bool:
    """Whether two JSON values are the same; 1, 1.0 and true are three."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def edit(profile: str | None, named: str, *, dry_run: bool, as_json: bool) -> None:
    """Let the device's own layer be edited and send what changed.

    Raises:
        Refused: what was typed is no JSON object, or cannot be sent; it is kept in a file.
        PreconditionFailed: somebody changed the config meanwhile; what was typed is kept.

    """
    with connected(profile) as client:
        device = device_id(client, named)
        before = client.config.get(device)
        typed = edited(before.own, f"{device}.json")
        try:
            patch = _patch(before.own, typed)
            if dry_run:
                output.dry_run(before.own, _merged(before.own, patch), as_json=as_json)
                return
            if not patch:
                output.note("nothing was changed")
                if as_json:
                    output.emit(before)
                return
            made = client.config.change(device, patch, digest=before.digest)
        except (sdk.MoorageError, Refused) as error:
            keep(device, typed, error)
            raise
    if as_json:
        output.emit(made)
        return
    output.note(f"revision {made.revision}")
    output.show_difference(before.document, made.document, as_json=False)


def edited(own: Mapping[str, Any], name: str) -> str:
    """Run the editor on a file that only its owner can read, for configs hold secrets.

    Raises:
        Refused: it cannot be started, or it failed.

    """
    editor = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi")
    with tempfile.TemporaryDirectory(prefix="moorage-edit-") as folder:
        file = Path(folder) / name
        file.touch(mode=0o600)
        file.write_text(json.dumps(own, indent=2, ensure_ascii=False) + "\n", "utf-8")
        try:
            done = subprocess.run([*editor, str(file)], check=False)  # noqa: S603 - their editor
        except OSError as error:
            raise usage(
                f"the editor {editor[0]} cannot be started ({error.strerror}); set EDITOR"
            ) from None
        if done.returncode:
            raise Refused(f"the editor ended with {done.returncode}; nothing was changed")
        return file.read_text("utf-8", "replace")


def _patch(own: Mapping[str, Any], typed: str) -> dict[str, Any]:
    try:
        patch = patch_of(own, layer_of(typed))
    except CannotSay as error:
        raise usage(str(error)) from None
    check_unmasked(patch)
    return patch


def layer_of(typed: str) -> dict[str, Any]:
    """Read a layer of a config.

    Raises:
        Refused: it is no JSON object.

    """
    try:
        wanted = json.loads(typed, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise usage(f"this is not JSON: {error}") from None
    if not isinstance(wanted, dict):
        raise usage('the config is a JSON object, such as {"config": {"log_level": "debug"}}')
    return wanted


def _no_number(name: str) -> Any:
    raise ValueError(f"JSON has no {name}")


def check_unmasked(wanted: Any) -> None:
    """Refuse to send what stands for a secret in the place of the secret."""
    if _holds_mask(wanted):
        raise usage(
            f"{MASK} stands for a secret this key may not read, and would take its place; "
            "write the secret, or use a key with config:read_secrets"
        )


def _holds_mask(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_holds_mask, value.values()))
    if isinstance(value, list):
        return any(map(_holds_mask, value))
    return isinstance(value, str) and MASK in value


def _merged(own: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """Return the layer as the server will have it: a null stays in it."""
    result = dict(own)
    for key, value in patch.items():
        old = own.get(key)
        both = isinstance(value, Mapping) and isinstance(old, Mapping)
        result[key] = _merged(old, value) if both else value  # type: ignore[arg-type]
    return result


def keep(name: str, typed: str, error: Exception) -> None:
    """Keep what was typed, and say where: work is not to be lost to a race or a slip."""
    folder = profiles.folder("XDG_STATE_HOME", ".local/state")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    handle, kept = tempfile.mkstemp(dir=folder, prefix=f"{name}-{stamp}-", suffix=".json")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(typed)
    raced = isinstance(error, sdk.PreconditionFailed)
    output.note(
        f"what you typed is kept in {kept}"
        + ("; edit again and take from it what is to stay" if raced else "")
    )

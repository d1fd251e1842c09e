"""The workspace's default config: what devices made from now on begin with."""

from pathlib import Path
from typing import Any

from moorage import sdk
from moorage.cli.owner import editing, output
from moorage.cli.owner.files import read_text
from moorage.cli.owner.outcomes import Refused
from moorage.cli.owner.session import connected


def get(profile: str | None, *, own: bool, as_json: bool) -> None:
    """Print the default, or only the workspace's part of it."""
    with connected(profile) as client:
        found = client.default_config.get()
    if as_json:
        output.emit(found.patch if own else found)
        return
    output.note(f"digest {found.digest}")
    output.document(found.patch if own else found.document)


def replace(
    profile: str | None, file: Path, *, digest: str | None, dry_run: bool, as_json: bool
) -> None:
    """Put what a file holds in the place of the workspace's part.

    Raises:
        Refused: it is no JSON object, or holds the mask of a secret.
        PreconditionFailed: somebody changed the default since its digest was read.

    """
    wanted = editing.layer_of(read_text(file))
    editing.check_unmasked(wanted)
    with connected(profile) as client:
        before = client.default_config.get()
        if dry_run:
            output.dry_run(before.patch, wanted, as_json=as_json)
            return
        made = client.default_config.replace(wanted, digest=digest or before.digest)
    _show(before, made, as_json=as_json)


def edit(profile: str | None, *, dry_run: bool, as_json: bool) -> None:
    """Let the workspace's part be edited and put the result in its place.

    Raises:
        Refused: what was typed is no JSON object, or cannot be sent; it is kept in a file.
        PreconditionFailed: somebody changed the default meanwhile; what was typed is kept.

    """
    with connected(profile) as client:
        before = client.default_config.get()
        typed = editing.edited(before.patch, "default-config.json")
        try:
            wanted: dict[str, Any] = editing.layer_of(typed)
            editing.check_unmasked(wanted)
            if dry_run:
                output.dry_run(before.patch, wanted, as_json=as_json)
                return
            if output.pretty(wanted) == output.pretty(before.patch):
                output.note("nothing was changed")
                if as_json:
                    output.emit(before)
                return
            made = client.default_config.replace(wanted, digest=before.digest)
        except (sdk.MoorageError, Refused) as error:
            editing.keep("default-config", typed, error)
            raise
    _show(before, made, as_json=as_json)


def _show(before: sdk.DefaultConfig, made: sdk.DefaultConfig, *, as_json: bool) -> None:
    if as_json:
        output.emit(made)
        return
    output.note(f"digest {made.digest}; for devices made from now on")
    output.show_difference(before.document, made.document, as_json=False)

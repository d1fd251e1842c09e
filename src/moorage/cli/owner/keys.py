"""Keys of the workspace: listed, made, changed, rolled, revoked."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from moorage import sdk
from moorage.cli.owner import output, profiles
from moorage.cli.owner.outcomes import Exit, Refused, usage
from moorage.cli.owner.session import client_of
from moorage.cli.owner.text import time_text

_KEY_ID = re.compile(r"key_[0-9a-f]{24}")


def scopes_of(given: Sequence[str] | None, *, none: bool) -> list[str] | None:
    """Return the scopes that were asked for; None is all, or no change.

    Raises:
        Refused: both some and none were asked for.

    """
    if given and none:
        raise usage("use either --scope or --no-scopes")
    return [] if none else list(given) if given else None


def find(client: sdk.Moorage, named: str) -> sdk.ApiKey:
    """Return the key with this id, or the one in use with this name.

    Raises:
        Refused: there is none (3), or several (2).

    """
    if _KEY_ID.fullmatch(named):
        return client.keys.get(named)
    found = [key for key in client.keys.iterate() if key.name == named and key.revoked_at is None]
    if not found:
        raise Refused(f"there is no key in use with the id or name {named!r}", Exit.NOT_FOUND)
    if len(found) > 1:
        ids = ", ".join(f"{key.id} ({key.prefix}…)" for key in found[:20])
        raise usage(f"{named!r} stands for {len(found)} keys, use the id of one: {ids}")
    return found[0]


def list_keys(profile: str | None, *, revoked: bool, as_json: bool) -> None:
    """Print keys, newest first."""
    with _opened(profile) as (client, _, _):
        found = [key for key in client.keys.iterate() if revoked or key.revoked_at is None]
    if as_json:
        output.emit(found)
        return
    output.table(
        ["id", "name", "begins", "mode", "scopes", "state", "made"],
        [
            [
                key.id,
                key.name,
                key.prefix,
                key.mode,
                "all" if key.scopes is None else " ".join(key.scopes),
                _state(key),
                time_text(key.created_at),
            ]
            for key in found
        ],
    )


def _state(key: sdk.ApiKey) -> str:
    if key.revoked_at is not None:
        return "revoked"
    return "disabled" if key.disabled else "protected" if key.protected else "in use"


def create(
    profile: str | None,
    name: str,
    *,
    scopes: Sequence[str] | None,
    mode: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Make a key and show its text, once."""
    with _opened(profile) as (client, _, _):
        if dry_run:
            wanted = {"name": name, "scopes": scopes, "mode": mode}
            output.dry_run(None, wanted, as_json=as_json)
            return
        made = client.keys.create(name, scopes=scopes, mode=mode)
    _show_made(made, as_json=as_json)


def update(
    profile: str | None,
    named: str,
    *,
    name: str | None,
    scopes: Sequence[str] | None,
    disabled: bool | None,
    protected: bool | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Change what is given."""
    if name is None and scopes is None and disabled is None and protected is None:
        raise usage("say what to change: --name, --scope, --disable, --enable or --protect")
    with _opened(profile) as (client, _, _):
        before = find(client, named)
        if dry_run:
            after = replace(
                before,
                name=before.name if name is None else name,
                scopes=before.scopes if scopes is None else tuple(sorted(scopes)),
                disabled=before.disabled if disabled is None else disabled,
                protected=before.protected if protected is None else protected,
            )
            output.dry_run(before, after, as_json=as_json)
            return
        changed = client.keys.update(
            before.id, name=name, scopes=scopes, disabled=disabled, protected=protected
        )
    if as_json:
        output.emit(changed)
    else:
        output.show_difference(before, changed, as_json=False)


def roll(profile: str | None, named: str, *, yes: bool, dry_run: bool, as_json: bool) -> None:
    """Give a key another text. The key of the profile itself is replaced there too."""
    with _opened(profile) as (client, stored_as, used):
        before = find(client, named)
        if dry_run:
            output.dry_run(before, {**sdk.encode(before), "key": "another"}, as_json=as_json)
            return
        output.confirm(f"ending the present text of {before.name} ({before.prefix}…)", yes=yes)
        made = client.keys.roll(before.id)
        if used.key.startswith(before.prefix) and stored_as is not None and made.key is not None:
            profiles.store(stored_as, replace(used, key=made.key))
            output.note(f"the profile {stored_as!r} uses the new text from now on")
    _show_made(made, as_json=as_json)


def revoke(profile: str | None, named: str, *, yes: bool, dry_run: bool, as_json: bool) -> None:
    """End a key for good."""
    with _opened(profile) as (client, _, used):
        before = find(client, named)
        if dry_run:
            output.dry_run(before, {**sdk.encode(before), "revoked_at": "now"}, as_json=as_json)
            return
        mine = ", the key in use here," if used.key.startswith(before.prefix) else ""
        output.confirm(f"revoking {before.name} ({before.prefix}…){mine}", yes=yes)
        revoked = client.keys.revoke(before.id)
    if as_json:
        output.emit(revoked)
    else:
        output.say(f"revoked {revoked.name} ({revoked.id})")


@contextmanager
def _opened(
    profile: str | None,
) -> Iterator[tuple[sdk.Moorage, str | None, profiles.Profile]]:
    """Return a client, and under which name its profile is stored, if it is."""
    stored_as, used = profiles.chosen(profile)
    with client_of(used) as client:
        yield client, stored_as, used


def _show_made(made: sdk.ApiKeyMade, *, as_json: bool) -> None:
    if made.key is None:
        raise Refused(
            f"the key was made ({made.id}), but the answer with its text was lost on the way; "
            f"`moorage key roll {made.id}` gives it another"
        )
    if as_json:
        output.emit(made)
        return
    output.note(f"{made.name} ({made.id}); its text is shown this once")
    output.say(made.key)

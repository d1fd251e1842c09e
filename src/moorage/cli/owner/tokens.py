"""Tokens: provisioning tokens, with which devices make their own records; install tokens of one."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from moorage import sdk
from moorage.cli.owner import output
from moorage.cli.owner.outcomes import Exit, Refused, usage
from moorage.cli.owner.session import connected, device_id, find
from moorage.cli.owner.text import seconds, time_text

NEVER = "never"
_FOR_MANY = "add --single-use, --max-uses N or --unlimited"
_TEXTS = ("apt_", "inst_")


def create(
    profile: str | None,
    name: str,
    *,
    single_use: bool,
    max_uses: int | None,
    unlimited: bool,
    expires_in: str | None,
    tags: Sequence[str],
    type: str | None,  # noqa: A002 - named as the API names it
    policy: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Make a provisioning token when anything of one is said, else an install token of a device."""
    if sum((single_use, unlimited, max_uses is not None)) > 1:
        raise usage("use only one of --single-use, --max-uses and --unlimited")
    most = 1 if single_use else max_uses
    if not (most or unlimited or tags or type is not None or policy is not None):
        _install(profile, name, expires_in=expires_in, dry_run=dry_run, as_json=as_json)
        return
    wanted: dict[str, Any] = {"max_uses": most, "tags": tags, "type": type, "policy": policy}
    if expires_in is not None:
        wanted["expires_in_s"] = None if expires_in == NEVER else seconds(expires_in)
    with connected(profile) as client:
        if dry_run:
            output.dry_run(None, {"name": name, **wanted}, as_json=as_json)
            return
        made = client.provisioning_tokens.create(name, **wanted)
    if made.token is None:
        raise Refused(
            f"the token was made ({made.id}), but the answer with its text was lost on the way; "
            f"`moorage token revoke {made.id}` ends it, then make another"
        )
    made = replace(made, setup_command=_line(made, client.url))
    if as_json:
        output.emit(made)
    else:
        _show_made(made)


def _line(made: sdk.ProvisioningTokenMade, url: str) -> str:
    """Return the line to paste: the server's own, for it knows its public address, if it made one.

    A line with the token in the address is not taken: proxies write addresses down.
    """
    for line in (made.setup_command, made.install_command):
        if line is not None and f"/{made.token}" not in line:
            return line
    return f"curl -fsSL {url}/setup | sudo sh -s -- {made.token}"


def _show_made(made: sdk.ProvisioningTokenMade) -> None:
    """Print the text alone on its line, then the line to paste."""
    devices = {None: "any number of devices", 1: "one device"}.get(
        made.max_uses, f"{made.max_uses} devices"
    )
    until = f"until {time_text(made.expires_at)}" if made.expires_at else "for ever"
    output.note(
        f"made {made.name} ({made.id}) for {devices}, {until}; its text is shown this once, "
        "the line below it is for the device"
    )
    output.say(str(made.token))
    output.say("")
    output.say(f"  {made.setup_command}")
    output.say("")


def list_tokens(profile: str | None, *, usable: bool, as_json: bool) -> None:
    """Print provisioning tokens, newest first."""
    with connected(profile) as client:
        found = list(client.provisioning_tokens.iterate())
    now = datetime.now(UTC)
    shown = [token for token in found if not usable or state_of(token, now) == "usable"]
    if as_json:
        output.emit([_with_state(token) for token in shown])
        return
    output.table(
        ["id", "name", "uses", "state", "expires", "last used", "policy", "type", "tags"],
        [
            [
                token.id,
                token.name,
                _uses(token),
                state_of(token, now),
                time_text(token.expires_at) or NEVER,
                time_text(token.last_used_at),
                token.policy,
                token.type or "",
                ",".join(token.tags),
            ]
            for token in shown
        ],
    )


def state_of(token: sdk.ProvisioningToken, now: datetime) -> str:
    """Say whether a device can enrol with it: usable, used up, expired or revoked."""
    if token.revoked_at is not None:
        return "revoked"
    if token.expires_at is not None and token.expires_at <= now:
        return "expired"
    used_up = token.max_uses is not None and token.use_count >= token.max_uses
    return "used up" if used_up else "usable"


def _uses(token: sdk.ProvisioningToken) -> str:
    return f"{token.use_count}/{'∞' if token.max_uses is None else token.max_uses}"


def _with_state(token: sdk.ProvisioningToken) -> dict[str, Any]:
    return {**sdk.encode(token), "state": state_of(token, datetime.now(UTC))}


def show(profile: str | None, named: str, *, as_json: bool) -> None:
    """Print one provisioning token, never its text."""
    with connected(profile) as client:
        token = _find(client, named)
    if as_json:
        output.emit(_with_state(token))
        return
    output.facts(
        {
            "id": token.id,
            "name": token.name,
            "state": state_of(token, datetime.now(UTC)),
            "uses": _uses(token),
            "last used": time_text(token.last_used_at) or NEVER,
            "expires": time_text(token.expires_at) or NEVER,
            "revoked": time_text(token.revoked_at),
            "known hardware": token.policy,
            "gives type": token.type,
            "gives tags": ", ".join(token.tags),
            "mode": "live" if token.live_mode else "test",
            "made": f"{time_text(token.created_at)} by {token.created_by}",
        }
    )


def revoke(profile: str | None, named: str, *, yes: bool, dry_run: bool, as_json: bool) -> None:
    """End a provisioning token for good; what enrolled with it stays."""
    with connected(profile) as client:
        before = _find(client, named)
        if dry_run:
            output.dry_run(before, {**sdk.encode(before), "revoked_at": "now"}, as_json=as_json)
            return
        output.confirm(f"revoking {before.name} ({before.id}), used {_uses(before)},", yes=yes)
        revoked = client.provisioning_tokens.revoke(before.id)
    if as_json:
        output.emit(_with_state(revoked))
    else:
        output.say(f"revoked {revoked.name} ({revoked.id}); devices that used it stay")


def _find(client: sdk.Moorage, named: str) -> sdk.ProvisioningToken:
    """Return the token with this id, or the one not revoked with this name.

    Raises:
        Refused: there is none (3), or several (2), or it is a text, which no list can be asked for.

    """
    if named.startswith(_TEXTS):
        raise usage("name the token by its id or name, not by its text; the server keeps no texts")
    found = []
    for token in client.provisioning_tokens.iterate():
        if token.id == named:
            return token
        if token.name == named and token.revoked_at is None:
            found.append(token)
    if not found:
        raise Refused(
            f"there is no provisioning token with the id or name {named!r}; `moorage token list` "
            "lists them, revoked ones go by their id",
            Exit.NOT_FOUND,
        )
    if len(found) > 1:
        ids = ", ".join(token.id for token in found[:20])
        raise usage(f"{named!r} stands for {len(found)} tokens, use the id of one: {ids}")
    return found[0]


def _install(
    profile: str | None, named: str, *, expires_in: str | None, dry_run: bool, as_json: bool
) -> None:
    """Make a fresh install token of one device and print the line to paste."""
    if expires_in == NEVER:
        raise usage(
            "an install token of one device lives 30 days at most; for a token with which devices "
            f"make their own records {_FOR_MANY}"
        )
    expires_in_s = None if expires_in is None else seconds(expires_in)
    with connected(profile) as client:
        device = _device(client, named)
        if dry_run:
            there = find(client, device)
            output.dry_run(
                None, {"device": there.id, "expires_in_s": expires_in_s}, as_json=as_json
            )
            return
        made = client.devices.install(device, expires_in_s=expires_in_s)
        if made.replayed:
            # The first answer was lost, and the token with it.
            made = client.devices.install(device, expires_in_s=expires_in_s)
    if as_json:
        output.emit(made)
    else:
        output.say(f"run this on the device before {time_text(made.expires_at)}; it works once:")
        output.say("")
        output.say(f"  {made.install_command}")
        output.say("")


def _device(client: sdk.Moorage, named: str) -> str:
    """Return the id of a device; if there is none, a provisioning token may have been meant."""
    try:
        return device_id(client, named)
    except Refused as error:
        if error.code is not Exit.NOT_FOUND:
            raise
        raise Refused(
            f"{error}. For a token with which devices make their own records {_FOR_MANY}",
            error.code,
        ) from None

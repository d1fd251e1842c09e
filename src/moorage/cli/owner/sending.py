"""Commands: sent, followed, listed, taken back."""

import json
from collections.abc import Sequence
from itertools import islice
from typing import Any

from moorage import sdk
from moorage.cli.owner import output
from moorage.cli.owner.following import Asking
from moorage.cli.owner.outcomes import Exit, Refused, usage
from moorage.cli.owner.session import connected, device_id
from moorage.cli.owner.text import time_text


def arguments_of(given: Sequence[str]) -> dict[str, Any]:
    """Read NAME=VALUE (text) and NAME:=VALUE (JSON).

    Raises:
        Refused: one is neither.

    """
    read: dict[str, Any] = {}
    for one in given:
        name, equals, value = one.partition("=")
        as_value = name.endswith(":")
        name = name.removesuffix(":")
        if not equals or not name:
            raise usage(f"{one!r} is no argument; write NAME=VALUE, or NAME:=VALUE for JSON")
        if name in read:
            raise usage(f"the argument {name!r} is given twice")
        try:
            read[name] = json.loads(value) if as_value else value
        except (ValueError, RecursionError):
            raise usage(f"the value of {name!r} is no JSON; for text write {name}=VALUE") from None
    return read


def send(
    profile: str | None,
    named: str,
    kind: str,
    *,
    arguments: Sequence[str],
    expires_in_s: int | None,
    wait_s: int | None,
    every_s: float,
    dry_run: bool,
    as_json: bool,
) -> Exit:
    """Queue a command and perhaps wait for what comes of it; return how it went."""
    wanted = arguments_of(arguments)
    with connected(profile) as client:
        device = device_id(client, named)
        if dry_run:
            found = client.devices.get(device)
            body = {"kind": kind, "arguments": wanted, "expires_in_s": expires_in_s}
            output.note(f"{found.name} is {found.status}")
            output.dry_run(None, {"device": device, **body}, as_json=as_json)
            return Exit.OK
        sent = client.commands.send(device, kind, wanted, expires_in_s=expires_in_s)
        if wait_s is not None:
            sent = wait_for(client, device, sent, Asking(every_s, wait_s))
    show(sent, as_json=as_json)
    return Exit.OK if wait_s is None or sent.state == "succeeded" else Exit.FAILED


def wait_for(client: sdk.Moorage, device: str, sent: sdk.Command, asking: Asking) -> sdk.Command:
    """Follow a command until it is finished.

    Raises:
        Refused: it was not in time, or the wait was ended by hand; the command stays sent.

    """
    last = sent
    output.note(f"{last.id} is {last.state}")
    try:
        while not last.finished:
            if not asking.pause():
                raise Refused(
                    f"{last.id} is still {last.state}; `moorage command get {device} {last.id}` "
                    "shows it later"
                )
            found = asking.ask(lambda: client.commands.get(device, sent.id))
            if found is not None and found.state != last.state:
                output.note(f"{found.id} is {found.state}")
            last = found or last
    except KeyboardInterrupt:
        raise Refused(
            f"ended the wait; {last.id} is {last.state}, "
            f"`moorage command cancel {device} {last.id}` takes it back"
        ) from None
    return last


def list_commands(profile: str | None, named: str, *, limit: int, as_json: bool) -> None:
    """Print commands, newest first."""
    with connected(profile) as client:
        listed = client.commands.iterate(device_id(client, named), page_size=min(limit, 500))
        found = list(islice(listed, limit))
    if as_json:
        output.emit(found)
        return
    output.table(
        ["id", "kind", "state", "sent", "finished", "error"],
        [
            [
                one.id,
                one.kind,
                one.state,
                time_text(one.created_at),
                time_text(one.finished_at),
                one.error or "",
            ]
            for one in found
        ],
    )


def get(profile: str | None, named: str, command_id: str, *, as_json: bool) -> None:
    """Print one command."""
    with connected(profile) as client:
        found = client.commands.get(device_id(client, named), _checked(command_id))
    show(found, as_json=as_json)


def cancel(
    profile: str | None, named: str, command_id: str, *, dry_run: bool, as_json: bool
) -> None:
    """Take a command back."""
    with connected(profile) as client:
        device = device_id(client, named)
        if dry_run:
            found = client.commands.get(device, _checked(command_id))
            if found.finished:
                raise Refused(f"{found.id} is over: {found.state}", Exit.CONFLICT)
            after = {**sdk.encode(found), "state": "cancelled"}
            output.dry_run(found, after, as_json=as_json)
            return
        found = client.commands.cancel(device, _checked(command_id))
    show(found, as_json=as_json)


def _checked(command_id: str) -> str:
    if not command_id.strip("."):
        raise usage("name a command by its id; `moorage command list DEVICE` lists them")
    return command_id


def show(command: sdk.Command, *, as_json: bool) -> None:
    """Print a command and what came of it."""
    if as_json:
        output.emit(command)
        return
    output.facts(
        {
            "id": command.id,
            "kind": command.kind,
            "arguments": output.compact(command.arguments) if command.arguments else None,
            "state": command.state,
            "sent": time_text(command.created_at),
            "expires": time_text(command.expires_at),
            "delivered": time_text(command.delivered_at),
            "finished": time_text(command.finished_at),
            "result": output.compact(command.result) if command.result else None,
            "error": command.error,
        }
    )

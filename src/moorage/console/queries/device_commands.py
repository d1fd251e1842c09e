"""What the tab Commands of a device reads, and what may be asked of it."""

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from moorage.console.contexts.device_action import Spelled
from moorage.console.contexts.device_commands import (
    Asked,
    CommandList,
    Commands,
    CommandShown,
    Draft,
)
from moorage.console.queries.device import frame
from moorage.console.showing import with_query
from moorage.core import commands, devices, services, streams
from moorage.core.caller import Caller, DeviceRef, Scope
from moorage.core.commands import Command, CommandState
from moorage.core.errors import invalid
from moorage.storage import Tx

_PAGE = 25
_LONGEST_ARGUMENTS = 300
_UNDER_WAY = (CommandState.QUEUED, CommandState.DELIVERED)

LIFETIMES = {
    "60": "One minute",
    "900": "15 minutes",
    "3600": "One hour",
    "86400": "One day",
    "604800": "7 days",
    "2592000": "30 days",
}


@dataclass(frozen=True)
class _Part:
    """An argument: how it is asked for. ``kind`` as in ``contexts.device_commands.Asked``."""

    name: str
    label: str
    kind: str = "text"
    help: str = ""
    required: bool = False


@dataclass(frozen=True)
class _Kind:
    """What can be asked of a device, in words for people."""

    title: str
    words: str
    parts: tuple[_Part, ...] = ()
    question: str | None = None


_STREAM = _Part("stream_id", "Stream", "choice", "Its id.", required=True)
_KINDS: Mapping[str, _Kind] = {
    "ping": _Kind("Ping", "The device answers with its agent's version and for how long it is up."),
    "collect_logs": _Kind(
        "Collect logs",
        "It sends lines that its log level held back, and for a while every line from debug on.",
        (_Part("for_s", "For so many seconds", "number", "0 to 3600; 300 if left empty."),),
    ),
    "restart_service": _Kind(
        "Restart a service",
        "It restarts one of the services it runs.",
        (_Part("service", "Service", "choice", "Its name.", required=True),),
        "The service is away until it is up again.",
    ),
    "restart_agent": _Kind(
        "Restart the agent",
        "The agent begins anew; the services it runs go on.",
        question="The agent is away for a few seconds.",
    ),
    "update_agent": _Kind(
        "Update the agent",
        "It fetches the agent that this server has, tries it, and keeps its own if that fails.",
        (
            _Part("version", "Only to version", help="Nothing is done if the server has another."),
            _Part("downgrade", "Also to an older one", "flag"),
        ),
        "The device replaces its agent by this server's.",
    ),
    "snapshot": _Kind("Take a picture", "It sends one picture of a stream.", (_STREAM,)),
    "pause_stream": _Kind("Pause a stream", "The stream waits until it is resumed.", (_STREAM,)),
    "resume_stream": _Kind("Resume a stream", "A paused stream goes on.", (_STREAM,)),
    "trigger_stream": _Kind("Trigger a stream", "The stream runs once, now.", (_STREAM,)),
    "terminate_stream": _Kind(
        "Terminate a stream", "The stream ends.", (_STREAM,), "The stream ends on the device."
    ),
    "plan": _Kind(
        "Plan a config",
        "It says what it would change for a config, and changes nothing.",
        (
            _Part(
                "document", "Document", "area", "The whole config, as a JSON object.", required=True
            ),
        ),
    ),
    "reboot": _Kind(
        "Reboot the machine",
        "The whole machine starts anew, with everything that runs on it.",
        question="Everything on the machine stops until it is up again.",
    ),
}


async def show(
    tx: Tx, caller: Caller, device_id: str, *, cursor: str | None, chosen: str | None
) -> Commands:
    """Read the tab (``device:read``). ``chosen`` is a command to show first."""
    head = await frame(tx, caller, device_id)
    kinds = [(kind, _KINDS[kind].title) for kind in _KINDS if caller.may(_scope_of(kind))]
    device = (await devices.get(tx, caller, device_id)).ref
    found = await _list(tx, caller, device, cursor=cursor, chosen=chosen)
    draft = await draft_of(tx, caller, device_id, {"kind": kinds[0][0]}) if kinds else None
    return Commands(head, found, kinds, [*LIFETIMES.items()], draft)


async def listed(
    tx: Tx, caller: Caller, device_id: str, *, cursor: str | None, chosen: str | None = None
) -> CommandList:
    """Read a page of commands (``device:read``)."""
    device = (await devices.get(tx, caller, device_id)).ref
    return await _list(tx, caller, device, cursor=cursor, chosen=chosen)


async def _list(
    tx: Tx, caller: Caller, device: DeviceRef, *, cursor: str | None, chosen: str | None
) -> CommandList:
    page = await commands.list_commands(tx, caller, device, cursor=cursor, limit=_PAGE)
    items = list(page.items)
    if chosen is not None and all(one.id != chosen for one in items):
        items.insert(0, await commands.get(tx, caller, device, chosen))
    path = f"/console/devices/{device.device_id}/commands"
    after = page.next_cursor
    return CommandList(
        path=path,
        commands=[_shown(one, chosen) for one in items],
        here=with_query(path, {"cursor": cursor, "command": chosen}),
        after=after and with_query(path, {"cursor": after}),
        newest=cursor is None,
        may_send=caller.may(Scope.COMMAND_SEND),
    )


def _shown(one: Command, chosen: str | None) -> CommandShown:
    # The document of a plan holds secrets.
    given = {} if one.kind == commands.PLAN else one.arguments
    result = dict(one.result or {})
    output = [
        (name, value) for name, value in result.items() if isinstance(value, str) and "\n" in value
    ]
    path = f"/v1/devices/{one.device_id}/commands/{one.id}"
    names = f"{one.device_id} {one.id}"
    arguments = f'"{one.device_id}", "{one.id}"'
    return CommandShown(
        id=one.id,
        kind=one.kind,
        arguments=_in_short(given),
        state=str(one.state),
        created_at=one.created_at,
        created_by=one.created_by,
        expires_at=one.expires_at,
        delivered_at=one.delivered_at,
        finished_at=one.finished_at,
        result={name: value for name, value in result.items() if (name, value) not in output},
        output=output,
        error=one.error,
        under_way=one.state in _UNDER_WAY,
        chosen=one.id == chosen,
        look=Spelled(
            "GET",
            path,
            cli=f"command get {names}",
            sdk=f"print(fleet.commands.get({arguments}))",
        ),
        cancel=Spelled(
            "DELETE",
            path,
            cli=f"command cancel {names}",
            sdk=f"fleet.commands.cancel({arguments})",
        ),
    )


def _in_short(arguments: Mapping[str, Any]) -> str:
    text = ", ".join(
        f"{name} {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"
        for name, value in arguments.items()
    )
    return text if len(text) <= _LONGEST_ARGUMENTS else text[: _LONGEST_ARGUMENTS - 1] + "…"


# --- putting one together


async def draft_of(tx: Tx, caller: Caller, device_id: str, typed: Mapping[str, str]) -> Draft:
    """Offer what a kind of command asks for, with what was typed so far."""
    device = await devices.get(tx, caller, device_id)
    name = typed.get("kind", "")
    kind = _kind_of(name)
    options: dict[str, Sequence[str]] = {}
    if any(part.name == "service" for part in kind.parts):
        found = await services.list_services(tx, caller, device.ref)
        options["service"] = [one.name for one in found]
    if _STREAM in kind.parts:
        options["stream_id"] = [
            one.id for one in await streams.list_streams(tx, caller, device.ref)
        ]
    return Draft(
        device_id=device.id,
        device_name=device.name,
        kind=name,
        title=kind.title,
        words=kind.words,
        parts=[
            Asked(
                part.name,
                part.label,
                part.kind,
                part.help,
                part.required,
                typed.get(part.name, ""),
                options.get(part.name, ()),
            )
            for part in kind.parts
        ],
        question=kind.question,
        spelled=_spelled(device.id, name, _as_typed(kind, typed), typed.get("expires_in_s", "")),
    )


def arguments_of(typed: Mapping[str, str]) -> dict[str, Any]:
    """Return a command's arguments from what was typed.

    Raises:
        DomainError: ``invalid`` for what is no number or no JSON object.

    """
    given: dict[str, Any] = {}
    for part in _KINDS[typed["kind"]].parts if typed.get("kind") in _KINDS else ():
        text = typed.get(part.name, "").strip()
        if part.kind == "flag":
            given |= {part.name: True} if text else {}
        elif text:
            given[part.name] = _value(part, text)
    return given


def _value(part: _Part, text: str) -> Any:
    pointer = f"/arguments/{part.name}"
    if part.kind == "number":
        if not (text.isascii() and text.isdecimal() and len(text) <= len("3600")):
            raise invalid(pointer, "this is a whole number, such as 300")
        return int(text)
    if part.kind == "area":
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            raise invalid(pointer, f"this is no JSON: {error}") from None
    return text


def _as_typed(kind: _Kind, typed: Mapping[str, str]) -> dict[str, Any]:
    """Return arguments to spell out, with a word in capitals where one is to be put in."""
    spelled: dict[str, Any] = {}
    for part in kind.parts:
        text = typed.get(part.name, "").strip()
        if part.kind == "flag":
            spelled |= {part.name: True} if text else {}
        elif part.kind == "number" and text.isascii() and text.isdecimal():
            spelled[part.name] = int(text)
        elif part.kind == "area":
            spelled[part.name] = {}
        elif text or part.required:
            spelled[part.name] = text or part.label.upper()
    return spelled


def _spelled(device_id: str, kind: str, given: Mapping[str, Any], expires_in_s: str) -> Spelled:
    lives = {"expires_in_s": int(expires_in_s)} if expires_in_s in LIFETIMES else {}
    return Spelled(
        "POST",
        f"/v1/devices/{device_id}/commands",
        body={"kind": kind, "arguments": given, **lives},
        cli=_cli(device_id, kind, given, expires_in_s if lives else ""),
        sdk=f"fleet.commands.send({device_id!r}, {kind!r}, {dict(given)!r}"
        + (f", expires_in_s={expires_in_s})" if lives else ")"),
    )


def _cli(device_id: str, kind: str, given: Mapping[str, Any], expires_in_s: str) -> str:
    if kind == commands.SNAPSHOT:
        stream = shlex.quote(str(given["stream_id"]))
        return f"stream snapshot {device_id} {stream} --output picture.jpg"
    words = [f"command send {device_id} {kind}"]
    for name, value in given.items():
        text = f"{name}={value}" if isinstance(value, str) else f"{name}:={json.dumps(value)}"
        words.append(f"--arg {shlex.quote(text)}")
    if expires_in_s:
        words.append(f"--expires-in {expires_in_s}s")
    return " ".join(words)


def _kind_of(name: str) -> _Kind:
    if name not in _KINDS:
        raise invalid("/kind", f"a command is one of {', '.join(_KINDS)}")
    return _KINDS[name]


def _scope_of(kind: str) -> Scope:
    return Scope.COMMAND_REBOOT if kind == "reboot" else Scope.COMMAND_SEND

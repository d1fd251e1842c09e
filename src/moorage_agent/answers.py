"""What an answer to a report means, as a message for ``step``. Pure; the protocol's table."""

from __future__ import annotations

from typing import Any, Callable, Dict, Optional, Tuple, Union

from moorage_agent import clock, config, keytext, messages
from moorage_agent.transport import Answer, Unreachable

IsNew = Callable[[messages.Command], bool]

# No place any report can have: whatever we hold does not begin with it.
_NOWHERE = -1
# What a server may be out of room for, and when to try again if it does not say.
_ADD_UP = ("telemetry", "logs")
_NO_ROOM_S, _MOST_NO_ROOM_S = 60.0, 3600.0
# What is more comes again with the next answer.
_MOST_COMMANDS = 100
_LONGEST_NAME = 128


def of_request(  # noqa: PLR0913 - what answers are read by
    lane: str,
    about: Any,
    outcome: Union[Answer, Unreachable],
    *,
    now: float,
    luck: float,
    is_new: IsNew,
    unchanged: Optional[int],
) -> messages.Message:
    """Return what came of a request, by what it was about; ``unchanged`` as in ``config_by``."""
    if isinstance(outcome, Unreachable):
        return messages.Failed(lane, now, str(outcome), luck)
    if isinstance(about, messages.Enrol):
        return enrolment_by(outcome, now=now, luck=luck)
    if isinstance(about, messages.Wait):
        return told_by(outcome, now=now, luck=luck, is_new=is_new)
    if isinstance(about, messages.Fetch):
        return config_by(outcome, now=now, luck=luck, unchanged=unchanged)
    return message_of(outcome, lane=lane, chain=about.chain, now=now, luck=luck)


def message_of(
    answer: Answer, *, lane: str, chain: str, now: float, luck: float
) -> messages.Message:
    """Return what the answer means for a report whose chain is ``chain``.

    Only what carries the marks of our server counts, the chain or a code: a sign-in page or a proxy
    that answers in its place is a network that does not work.
    """
    body = answer.body or {}
    status = answer.status
    if status == 200 and body.get("chain") == chain:
        return messages.Acknowledged(
            lane,
            now,
            _positive(body.get("report_interval_s")),
            server_at=clock.parsed(body.get("server_time")),
            revision=messages.revision_of(body.get("config_revision")),
            commands=commands_of(body),
        )
    if status == 200 and "chain" in body:
        return messages.Failed(lane, now, "the server acknowledged another report", luck)
    return _refusal(answer, lane=lane, now=now, luck=luck)


def told_by(answer: Answer, *, now: float, luck: float, is_new: IsNew) -> messages.Message:
    """Return what the answer to ``GET /v1/commands`` means."""
    body = answer.body or {}
    revision = messages.revision_of(body.get("config_revision"))
    if answer.status != 200 or revision is None:
        return _refusal(answer, lane=messages.CONTROL, now=now, luck=luck)
    commands = commands_of(body)
    fresh = any(is_new(command) for command in commands)
    return messages.Told(now, revision, commands, fresh)


def config_by(
    answer: Answer, *, now: float, luck: float, unchanged: Optional[int]
) -> messages.Message:
    """Return what the answer to ``GET /v1/config`` means.

    ``unchanged`` is the revision to go on with when the document is still the one we named.
    """
    if answer.status == 304 and unchanged is not None:
        return messages.Fetched(now, messages.Config(unchanged, None, None, None), None)
    found = config.read(answer.body or {}) if answer.status == 200 else None
    if found is None:
        return _refusal(answer, lane=messages.CONTROL, now=now, luck=luck)
    interval = None if found.document is None else config.interval_of(found.document)
    return messages.Fetched(now, found, interval)


def enrolment_by(answer: Answer, *, now: float, luck: float) -> messages.Message:
    """Return what the answer to ``POST /v1/enroll`` means to a device that nobody stands by.

    A refused token is tried again, hourly at most: a server that was set back may know it later.
    """
    body = answer.body or {}
    if answer.status == 200 and body.get("device_id"):
        return messages.Enrolled(now, body, _positive(body.get("report_interval_s")))
    if answer.status in (401, 403, 409, 410, 422) and answer.code() is not None:
        text = (
            "the server does not enrol this device: %s. The agent goes on collecting and tries "
            "again, hourly at most; if it stays so, give it a fresh payload or token"
        )
        reason = text % keytext.redacted(answer.explained())
        return messages.KeyRefused(messages.CONTROL, now, luck, reason)
    reason = keytext.redacted(answer.explained())
    return messages.Failed(messages.CONTROL, now, reason, luck, answer.retry_after_s)


def _refusal(answer: Answer, *, lane: str, now: float, luck: float) -> messages.Message:
    body = answer.body or {}
    status, code = answer.status, answer.code()
    if status in (401, 403) and code is not None:
        return messages.KeyRefused(lane, now, luck)
    if status == 410 and code == "device_retired":
        return messages.Retired(lane)
    if lane == messages.CONTROL:
        pass  # reports only are forked, or too large
    elif status == 409 and code in ("chain_forked", "sequence_reused"):
        return messages.Forked(
            lane, now, _sequence(body.get("sequence")), str(body.get("chain", ""))
        )
    elif status == 507 and _refused(body):
        pause = answer.retry_after_s
        pause = _NO_ROOM_S if pause is None else min(max(pause, 1.0), _MOST_NO_ROOM_S)
        return messages.NoRoom(lane, now, _refused(body), pause)
    # A proxy in front of the server has its own limit of size, and nothing else changes it.
    elif status == 413 or (status == 422 and code is not None):
        detail = keytext.redacted(answer.explained())
        return messages.Unacceptable(lane, now, status, detail)
    reason = keytext.redacted(answer.explained())
    return messages.Failed(lane, now, reason, luck, answer.retry_after_s)


def _refused(body: Dict[str, Any]) -> Tuple[str, ...]:
    given = body.get("refused")
    return tuple(part for part in _ADD_UP if isinstance(given, list) and part in given)


def _positive(value: Any) -> Optional[float]:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if number and value > 0 else None


def _sequence(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else _NOWHERE


def commands_of(body: Dict[str, Any]) -> Tuple[messages.Command, ...]:
    """Return what an answer asks of this device; what has no id cannot be answered and is no one's.

    The rest of a malformed command goes through as something that is not known here, so that its
    sender is told.
    """
    given = body.get("commands")
    found = []
    for one in given[:_MOST_COMMANDS] if isinstance(given, list) else ():
        command_id = one.get("id") if isinstance(one, dict) else None
        # Printable: neither half a character nor a NUL, which nobody could store.
        if not isinstance(command_id, str) or not command_id.isprintable():
            continue
        if not 0 < len(command_id) <= _LONGEST_NAME:
            continue
        arguments = one.get("arguments")
        found.append(
            messages.Command(
                command_id,
                str(one.get("kind"))[:_LONGEST_NAME].encode("utf-8", "replace").decode("utf-8"),
                arguments if isinstance(arguments, dict) else {},
                clock.parsed(one.get("expires_at")),
            )
        )
    return tuple(found)

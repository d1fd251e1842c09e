"""What an answer to a report means, as a message for ``step``. Pure; the protocol's table."""

from __future__ import annotations

from typing import Any, Dict, Optional, Tuple

from moorage_agent import clock, keytext, step
from moorage_agent.transport import Answer

# No place any report can have: whatever we hold does not begin with it.
_NOWHERE = -1
# What is more comes again with the next answer.
_MOST_COMMANDS = 100
_LONGEST_NAME = 128


def message_of(  # noqa: PLR0911 - one return an answer reads best
    answer: Answer, *, lane: str, chain: str, now: float, luck: float
) -> step.Message:
    """Return what the answer means for a report whose chain is ``chain``.

    Only what carries the marks of our server counts, the chain or a code: a sign-in page or a proxy
    that answers in its place is a network that does not work.
    """
    body = answer.body or {}
    status, code = answer.status, body.get("code")
    if status == 200 and body.get("chain") == chain:
        return step.Acknowledged(
            lane,
            now,
            _positive(body.get("report_interval_s")),
            server_at=clock.parsed(body.get("server_time")),
            commands=commands_of(body),
        )
    if status == 200 and "chain" in body:
        return step.Failed(lane, now, "the server acknowledged another report", luck)
    if status in (401, 403) and code is not None:
        return step.KeyRefused(lane, now, luck)
    if status == 409 and code in ("chain_forked", "sequence_reused"):
        return step.Forked(lane, now, _sequence(body.get("sequence")), str(body.get("chain", "")))
    if status == 410 and code == "device_retired":
        return step.Retired(lane)
    # A proxy in front of the server has its own limit of size, and nothing else changes it.
    if status == 413 or (status == 422 and code is not None):
        detail = keytext.redacted(answer.explained())
        return step.Unacceptable(lane, now, status, detail)
    reason = keytext.redacted(answer.explained())
    return step.Failed(lane, now, reason, luck, answer.retry_after_s)


def _positive(value: Any) -> Optional[float]:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if number and value > 0 else None


def _sequence(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else _NOWHERE


def commands_of(body: Dict[str, Any]) -> Tuple[step.Command, ...]:
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
            step.Command(
                command_id,
                str(one.get("kind"))[:_LONGEST_NAME].encode("utf-8", "replace").decode("utf-8"),
                arguments if isinstance(arguments, dict) else {},
                clock.parsed(one.get("expires_at")),
            )
        )
    return tuple(found)

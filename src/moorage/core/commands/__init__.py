"""What we ask a device to do, and what came of it."""

from moorage.core.commands.model import Command, CommandState, ResultRow
from moorage.core.commands.rules import KINDS, PLAN, SNAPSHOT
from moorage.core.commands.service import (
    any_open,
    cancel,
    expire,
    find_under_way,
    get,
    list_commands,
    record_results,
    send,
    take,
    topic_of,
)

__all__ = [
    "KINDS",
    "PLAN",
    "SNAPSHOT",
    "Command",
    "CommandState",
    "ResultRow",
    "any_open",
    "cancel",
    "expire",
    "find_under_way",
    "get",
    "list_commands",
    "record_results",
    "send",
    "take",
    "topic_of",
]

"""What we ask a device to do, and what came of it."""

from moorage.core.commands.model import Command, CommandState, ResultRow
from moorage.core.commands.rules import KINDS
from moorage.core.commands.service import (
    any_open,
    cancel,
    expire,
    get,
    list_commands,
    record_results,
    send,
    take,
)

__all__ = [
    "KINDS",
    "Command",
    "CommandState",
    "ResultRow",
    "any_open",
    "cancel",
    "expire",
    "get",
    "list_commands",
    "record_results",
    "send",
    "take",
]

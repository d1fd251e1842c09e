"""Virtual devices that the server itself drives: ordinary devices, and who plays them how."""

from moorage.core.virtual.model import Action, Driven, Happening, Virtual
from moorage.core.virtual.rules import LEASE, MOST, PROFILES
from moorage.core.virtual.service import (
    TOPIC,
    any_to_claim,
    claim,
    create,
    delete,
    drive,
    get,
    let_go,
    list_all,
)

__all__ = [
    "LEASE",
    "MOST",
    "PROFILES",
    "TOPIC",
    "Action",
    "Driven",
    "Happening",
    "Virtual",
    "any_to_claim",
    "claim",
    "create",
    "delete",
    "drive",
    "get",
    "let_go",
    "list_all",
]

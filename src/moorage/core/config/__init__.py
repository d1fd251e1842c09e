"""What a device is to run: layers merged into a document, revisions, desired and reported."""

from moorage.core.config.model import Applied, AppliedRow, AppliedState, ConfigView, Layer, Merged
from moorage.core.config.rules import BASE_DEFAULT, applied_state, digest_of, merge
from moorage.core.config.service import (
    change,
    create_first,
    current_revisions,
    get,
    get_for_device,
    record_applied,
)

__all__ = [
    "BASE_DEFAULT",
    "Applied",
    "AppliedRow",
    "AppliedState",
    "ConfigView",
    "Layer",
    "Merged",
    "applied_state",
    "change",
    "create_first",
    "current_revisions",
    "digest_of",
    "get",
    "get_for_device",
    "merge",
    "record_applied",
]

"""What a config document is, where its parts come from and what became of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeAlias

Document: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True)
class Layer:
    """One source of settings: a patch (RFC 7396) over the layers below it."""

    name: str
    patch: Document


@dataclass(frozen=True)
class Merged:
    """All layers in one document; ``origins`` maps the pointer of each leaf to its layer's name."""

    document: Document
    origins: Mapping[str, str]


class Applied(StrEnum):
    """What the device last proved of the desired revision."""

    UNKNOWN = "unknown"
    PENDING = "pending"
    APPLIED = "applied"
    FAILED = "failed"
    DRIFTED = "drifted"


@dataclass(frozen=True)
class AppliedState:
    """What a device last reported of its config; None where it never did."""

    state: Applied
    revision: int | None
    error: str | None
    reported_at: datetime | None


@dataclass(frozen=True)
class ConfigView:
    """A device's config as an owner sees it.

    ``own`` is the device's own layer, ``document`` the whole; ``digest`` names the document.
    """

    revision: int
    digest: str
    document: Document
    own: Document
    origins: Mapping[str, str]
    created_at: datetime
    created_by: str
    applied: AppliedState


# What a device reports, as the store takes it: device_id, revision, digest, state, error.
AppliedRow: TypeAlias = Mapping[str, Any]

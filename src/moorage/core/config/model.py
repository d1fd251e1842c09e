"""What a config document is, where its parts come from and what became of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeAlias

from moorage.core.caller import DeviceRef

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


@dataclass(frozen=True)
class Revision:
    """One state of a device's config, kept for good.

    Attributes:
        own: the device's own layer.
        lower: the layers below it as they were when the device was made; a later change of the
            workspace's patch is for new devices, never for one that runs.
        changed: pointers of what differs from the revision before.

    """

    revision: int
    digest: str
    document: Document
    own: Document
    lower: Sequence[Layer]
    origins: Mapping[str, str]
    changed: Sequence[str]
    created_at: datetime
    created_by: str


@dataclass(frozen=True)
class RevisionEntry:
    """A revision in a list, without its document."""

    revision: int
    digest: str
    created_at: datetime
    created_by: str
    changed: Sequence[str]


@dataclass(frozen=True)
class DefaultConfig:
    """What new devices begin with: ``document`` is the base with the workspace's patch in it."""

    document: Document
    patch: Document
    digest: str


@dataclass(frozen=True)
class Draft:
    """What a change would make of a config, its secrets masked; nothing is changed yet.

    Attributes:
        changed: pointers of what would differ from the present document.
        patch: what turns the present document into this one (RFC 7396).

    """

    document: Document
    origins: Mapping[str, str]
    changed: Sequence[str]
    patch: Document


@dataclass(frozen=True)
class Comparison:
    """Two revisions, their secrets masked; ``changed`` names differing secrets, too."""

    before: Revision
    after: Revision
    changed: Sequence[str]


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
class Astray:
    """A device whose config is not as it is to be: ``state`` is failed or pending."""

    state: Applied
    revision: int
    reported_revision: int | None
    error: str | None


@dataclass(frozen=True)
class ConfigView:
    """A device's config as an owner sees it.

    ``own`` is the device's own layer, ``document`` the whole; ``digest`` names the document, and
    is that of the whole even where secrets are masked. ``began_at``: its first revision.
    """

    revision: int
    digest: str
    document: Document
    own: Document
    origins: Mapping[str, str]
    created_at: datetime
    created_by: str
    began_at: datetime
    applied: AppliedState


@dataclass(frozen=True)
class AppliedRow:
    """What a device reports of its config."""

    device: DeviceRef
    revision: int
    digest: str | None
    state: str
    error: str | None

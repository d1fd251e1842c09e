"""What may be asked of a device to make, by its type and the workspace's features."""

import re
from dataclasses import dataclass

from moorage.core.errors import DomainError, Kind, invalid
from moorage.core.workspaces import Feature, Workspace

ALL_IN_ONE = "ai1"
_SLUG_UNFIT = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True)
class Asked:
    """A device as an owner asked for it. ``copies``: it begins with another device's config."""

    name: str
    type: str
    offline: bool = False
    workflow_id: str | None = None
    copies: bool = False


def check_asked(asked: Asked, workspace: Workspace) -> None:
    """Raise unless the workspace may have such a device.

    The order is that of the Deployment Manager API, whose callers go by the first refusal.

    Raises:
        DomainError: ``invalid``; ``forbidden`` for a feature the workspace lacks.

    """
    all_in_one = asked.type == ALL_IN_ONE
    if asked.offline and not all_in_one:
        raise invalid("/offline_mode", "offline_mode is for ai1 devices only")
    if all_in_one:
        _require(workspace, Feature.DEVICE_AIO)
    if asked.offline:
        _require(workspace, Feature.ROBOFLOW_LITE_MODE)
    plain = not asked.copies and asked.workflow_id is None
    if all_in_one and plain and not _SLUG_UNFIT.sub("", asked.name.lower()):
        raise invalid("/device_name", "the name of an ai1 device holds a letter or a digit")


_EXTERNAL_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_LIKE_OURS = re.compile(r"dev_[0-9a-f]{24}")


def check_external_id(text: str) -> None:
    """Raise DomainError ``invalid`` unless a device can bring this id along for itself."""
    if not _EXTERNAL_ID.fullmatch(text):
        raise invalid(
            "/device/device_id",
            "device_id is 1 to 128 letters, digits and . _ : - that the hardware keeps",
        )
    if _LIKE_OURS.fullmatch(text):
        raise invalid("/device/device_id", "device_id must not look like an id of this server's")


def _require(workspace: Workspace, feature: Feature) -> None:
    if feature not in workspace.features:
        raise DomainError(
            Kind.FORBIDDEN,
            "feature_missing",
            f"this workspace lacks the feature {feature}; it is switched on with "
            f"'moorage bootstrap --workspace {workspace.slug} --feature {feature}'",
        )


def first_layer(asked: Asked) -> dict[str, object]:
    """Return the device's own layer to begin with."""
    if asked.type == ALL_IN_ONE and asked.workflow_id and not asked.copies:
        return {"streams": {"aione": {"name": "aione", "workflow_id": asked.workflow_id}}}
    return {}

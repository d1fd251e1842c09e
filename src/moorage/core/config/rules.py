"""Merging, digests, what a document may hold, and whether it is applied: pure decisions."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from moorage.core.config.model import Applied, Document, Layer, Merged
from moorage.core.devices import DEFAULT_INTERVAL_S
from moorage.core.errors import invalid
from moorage.kit.jsonvalue import escape_pointer

BASE_LAYER = "base"
DEVICE_LAYER = "device"
BASE_DEFAULT: Document = {
    "config": {"report_interval_s": DEFAULT_INTERVAL_S, "log_level": "info"},
    "services": {},
    "streams": {},
}
SHORTEST_INTERVAL_S = 5
LONGEST_INTERVAL_S = 86_400
LARGEST_DOCUMENT = 256 * 1024
_LOG_LEVELS = ("debug", "info", "warning", "error")


def merge(layers: Sequence[Layer]) -> Merged:
    """Merge layers, later ones over earlier ones, by the rules of RFC 7396.

    An object is merged key by key, null takes a key away, anything else replaces.
    """
    document: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for layer in layers:
        _apply(document, layer.patch, layer.name, "", origins)
    return Merged(document, origins)


def merge_patch(target: Document, patch: Document) -> dict[str, Any]:
    """Return a layer with a patch folded in.

    A null stays in it: over the layers below it means "take this away", and only they can tell
    whether there is anything to take.
    """
    result = dict(target)
    for key, value in patch.items():
        before = result.get(key)
        if isinstance(value, Mapping) and isinstance(before, Mapping):
            result[key] = merge_patch(before, value)
        else:
            result[key] = value
    return result


def _apply(
    target: dict[str, Any], patch: Document, name: str, at: str, origins: dict[str, str]
) -> None:
    for key, value in patch.items():
        pointer = f"{at}/{escape_pointer(key)}"
        if value is None:
            target.pop(key, None)
            _forget(origins, pointer)
        elif isinstance(value, Mapping):
            if not isinstance(target.get(key), dict):
                _forget(origins, pointer)
                target[key] = {}
            if not value and not target[key]:
                origins[pointer] = name
            else:
                origins.pop(pointer, None)
            _apply(target[key], value, name, pointer, origins)
        else:
            _forget(origins, pointer)
            target[key] = value
            origins[pointer] = name


def _forget(origins: dict[str, str], pointer: str) -> None:
    for known in [p for p in origins if p == pointer or p.startswith(f"{pointer}/")]:
        del origins[known]


def digest_of(document: Document) -> str:
    """``sha256:`` + hex over the document as JSON with sorted keys and no spaces, UTF-8."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def check_document(document: Document) -> None:
    """Raise DomainError ``invalid`` naming the path unless the document can be applied."""
    size = len(json.dumps(document))
    if size > LARGEST_DOCUMENT:
        raise invalid("", f"a config is at most {LARGEST_DOCUMENT} bytes as JSON; this has {size}")
    for name in ("config", "services", "streams"):
        part = document.get(name)
        if not isinstance(part, Mapping):
            raise invalid(f"/{name}", f"{name} is an object")
        if name == "config":
            continue
        for key, value in part.items():
            if not isinstance(value, Mapping):
                raise invalid(f"/{name}/{escape_pointer(key)}", f"an entry of {name} is an object")
    interval_of(document)
    level = document["config"].get("log_level", "info")
    if level not in _LOG_LEVELS:
        raise invalid("/config/log_level", f"log_level is one of {', '.join(_LOG_LEVELS)}")


def interval_of(document: Document) -> int:
    """Return the report interval in seconds. Raises DomainError ``invalid``."""
    interval = document["config"].get("report_interval_s", DEFAULT_INTERVAL_S)
    right = type(interval) is int and SHORTEST_INTERVAL_S <= interval <= LONGEST_INTERVAL_S
    if not right:
        raise invalid(
            "/config/report_interval_s",
            f"it is whole seconds from {SHORTEST_INTERVAL_S} to {LONGEST_INTERVAL_S}",
        )
    return int(interval)


def applied_state(
    *, revision: int, digest: str, reported: tuple[int, str | None, str] | None
) -> Applied:
    """Say what the device proved of the desired revision.

    ``reported`` is its last (revision, digest, state). A function of these alone: that the document
    was fetched proves nothing, and a lost report leaves nothing behind that the next does not mend.
    """
    if reported is None:
        return Applied.UNKNOWN
    its_revision, its_digest, state = reported
    if its_revision != revision:
        return Applied.PENDING
    if state == "failed":
        return Applied.FAILED
    if its_digest is not None and its_digest != digest:
        return Applied.DRIFTED
    return Applied.APPLIED if state == "applied" else Applied.PENDING

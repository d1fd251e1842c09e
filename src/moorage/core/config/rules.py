"""Merging, digests, what a document may hold, and whether it is applied: pure decisions."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from moorage.core.config.model import Applied, Document, Layer, Merged
from moorage.core.devices import DEFAULT_INTERVAL_S
from moorage.core.errors import invalid
from moorage.kit.jsonvalue import escape_pointer
from moorage.kit.secrettext import MASK, is_secret_name, with_masked_userinfo

BASE_LAYER = "base"
WORKSPACE_LAYER = "workspace"
DEVICE_LAYER = "device"
BASE_DEFAULT: Document = {
    "config": {"report_interval_s": DEFAULT_INTERVAL_S, "log_level": "info"},
    "services": {},
    "streams": {},
}
SHORTEST_INTERVAL_S = 5
LONGEST_INTERVAL_S = 86_400
LARGEST_DOCUMENT = 256 * 1024
_NUMBERS_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
_HIGHEST_NUMBER = 2_000_000_000
_AGENT_UPDATES = ("manual", "automatic")
_LOG_LEVELS = ("debug", "info", "warning", "error")


def base() -> Layer:
    """Return the layer below all others."""
    return Layer(BASE_LAYER, BASE_DEFAULT)


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
            origins.pop(pointer, None)
            _apply(target[key], value, name, pointer, origins)
            if not target[key]:
                origins[pointer] = name
        else:
            _forget(origins, pointer)
            target[key] = value
            origins[pointer] = name


def patch_between(lower: Document, wanted: Document) -> dict[str, Any]:
    """Return the patch that turns ``lower`` into ``wanted`` by the rules of ``merge``."""
    patch: dict[str, Any] = {key: None for key in lower if key not in wanted}
    for key, value in wanted.items():
        below = lower.get(key)
        if isinstance(value, Mapping) and isinstance(below, Mapping):
            inner = patch_between(below, value)
            if inner:
                patch[key] = inner
        elif key not in lower or not same(value, below):
            patch[key] = value
    return patch


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same JSON: 1, 1.0 and true are equal to Python only."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def changed_pointers(before: Document, after: Document, at: str = "") -> list[str]:
    """Return pointers of the smallest parts that differ, in order."""
    found: list[str] = []
    for key in sorted({*before, *after}):
        pointer = f"{at}/{escape_pointer(key)}"
        old, new = before.get(key), after.get(key)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            found += changed_pointers(old, new, pointer)
        elif (key in before) != (key in after) or not same(old, new):
            found.append(pointer)
    return found


def masked(document: Document) -> dict[str, Any]:
    """Return a document whose secrets cannot be read from it.

    Masked are environment variables of services and streams, values under names that say they are
    secrets, and secrets in URLs.
    """
    shown: dict[str, Any] = _masked(document)
    for part in ("services", "streams"):
        entries = shown.get(part)
        for entry in entries.values() if isinstance(entries, Mapping) else ():
            if isinstance(entry, dict):
                _mask_variables(entry)
    return shown


def _mask_variables(entry: dict[str, Any]) -> None:
    for name in ("environment_variables", "environment"):
        variables = entry.get(name)
        if isinstance(variables, Mapping):
            entry[name] = dict.fromkeys(variables, MASK)
        elif variables:
            entry[name] = MASK


def _masked(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {
            key: MASK if is_secret_name(key) and part is not None else _masked(part)
            for key, part in value.items()
        }
    if isinstance(value, list):
        return [_masked(part) for part in value]
    return with_masked_userinfo(value) if isinstance(value, str) else value


def unmasked(shown: Document, now: Document) -> dict[str, Any]:
    """Return an edited layer with the secrets that its masks stand for.

    ``now`` is the layer that was shown masked. A mask keeps the secret of its own place; in an
    array, which has no names, the secret of the one element that looked the same.
    """
    restored: dict[str, Any] = _unmasked(shown, masked(now), now)
    return restored


def _unmasked(shown: Any, hidden: Any, now: Any) -> Any:
    if isinstance(shown, Mapping):
        if not (isinstance(hidden, Mapping) and isinstance(now, Mapping)):
            return dict(shown)
        return {key: _unmasked(part, hidden.get(key), now.get(key)) for key, part in shown.items()}
    if isinstance(shown, list):
        if not (isinstance(hidden, list) and isinstance(now, list)):
            return shown
        return [_element(part, hidden, now) for part in shown]
    return now if isinstance(shown, str) and MASK in shown and shown == hidden else shown


def _element(shown: Any, hidden: Sequence[Any], now: Sequence[Any]) -> Any:
    meant = [real for mask, real in zip(hidden, now, strict=True) if same(mask, shown)]
    return meant[0] if meant and all(same(one, meant[0]) for one in meant) else shown


def _forget(origins: dict[str, str], pointer: str) -> None:
    for known in [p for p in origins if p == pointer or p.startswith(f"{pointer}/")]:
        del origins[known]


def digest_of(document: Document) -> str:
    """``sha256:`` + hex over the document as JSON with sorted keys and no spaces, UTF-8."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


_TEXT = (str, "a text")
# What must fit of an entry, by part and field.
_FIELDS: Mapping[str, Mapping[str, tuple[type | tuple[type, ...], str]]] = {
    "services": {
        "image": _TEXT,
        "tag": _TEXT,
        "automatic_updates": (bool, "true or false"),
        "environment_variables": ((Mapping, list), "an object or an array"),
    },
    "streams": {
        "name": _TEXT,
        "workflow_id": _TEXT,
        "source": ((str, Mapping), "a text or an object"),
    },
}


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
            _check_entry(name, f"/{name}/{escape_pointer(key)}", value)
    _check_unmasked(document, "")
    interval_of(document)
    level = document["config"].get("log_level", "info")
    if level not in _LOG_LEVELS:
        raise invalid("/config/log_level", f"log_level is one of {', '.join(_LOG_LEVELS)}")
    if document["config"].get("agent_updates", "manual") not in _AGENT_UPDATES:
        raise invalid("/config/agent_updates", "agent_updates is manual or automatic")


def _check_unmasked(value: Any, pointer: str) -> None:
    """Refuse a mask that came back: it would take the secret's place."""
    if isinstance(value, Mapping):
        for key, part in value.items():
            _check_unmasked(part, f"{pointer}/{escape_pointer(key)}")
    elif isinstance(value, list):
        for number, part in enumerate(value):
            _check_unmasked(part, f"{pointer}/{number}")
    elif isinstance(value, str) and MASK in value:
        raise invalid(
            pointer,
            f"{MASK} is what was shown in a secret's place; leave the value out to keep it, or "
            "send the secret itself",
        )


def _check_entry(part: str, pointer: str, entry: Any) -> None:
    """Check the fields that something here or on a device goes by; others are kept."""
    if not isinstance(entry, Mapping):
        raise invalid(pointer, f"an entry of {part} is an object")
    for field, (kinds, spelled) in _FIELDS[part].items():
        value = entry.get(field)
        if value is not None and not isinstance(value, kinds):
            raise invalid(f"{pointer}/{field}", f"{field} is {spelled}, or null")


def number_at(now: datetime) -> int:
    """Return a revision number for a moment: seconds since 2026, within 32 bits until 2094."""
    return max(0, min(int((now - _NUMBERS_BEGIN).total_seconds()), _HIGHEST_NUMBER))


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

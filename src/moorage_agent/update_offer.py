"""What a server says of the agent it hands out: is it signed, and is it one to take. Pure."""

from __future__ import annotations

import re
from typing import Any, Dict, NamedTuple, Optional, Tuple

from moorage_agent import signed

MARK = "MRU1"
LARGEST_BYTES = 16 * 1024 * 1024
_DIGEST = re.compile(r"[0-9a-f]{64}")
_VERSION = re.compile(
    r"(?P<release>\d{1,9}(?:\.\d{1,9}){0,5})(?:[-._]?(?P<stage>dev|a|b|rc)[-._]?(?P<n>\d{1,9})?)?"
    r"(?:\+[A-Za-z0-9.]{1,64})?",
    re.ASCII,
)
_STAGES = ("dev", "a", "b", "rc", None)
_PATH = re.compile(r"/[A-Za-z0-9/._-]{1,200}")


class Offer(NamedTuple):
    """The agent that a server hands out, as it signed it; ``path`` is where to fetch it."""

    version: str
    sha256: str
    size: int
    path: str


class Running(NamedTuple):
    """The agent that runs now; ``sha256`` of its file."""

    version: str
    sha256: str


class Wanted(NamedTuple):
    """What an owner asked for: a version, if one was named, and whether an older one may be."""

    version: Optional[str] = None
    downgrade: bool = False


def offer_of(body: Dict[str, Any], key: bytes) -> Offer:
    """Return what ``GET /v1/agent`` answered, by what is signed in it.

    Raises:
        ValueError: it is not signed with the key, or is of no form known here.

    """
    found = signed.parsed(body.get("signed"), MARK)
    if found is None:
        raise ValueError("the server's answer holds no signed text about an agent (%s....)" % MARK)
    if not found.is_by(key):
        raise ValueError(
            "what the server says of its agent is not signed with the key that this device knows "
            "its server by"
        )
    told = found.document() or {}
    version, sha256, size = told.get("version"), told.get("sha256"), told.get("size")
    path = body.get("path")
    if (
        not isinstance(version, str)
        or _order(version) is None
        or not isinstance(sha256, str)
        or not _DIGEST.fullmatch(sha256)
        or type(size) is not int
        or not 0 < size <= LARGEST_BYTES
        or not isinstance(path, str)
        or not _PATH.fullmatch(path)
    ):
        raise ValueError("what the server says of its agent is of a form not known here")
    return Offer(version, sha256, size, path)


def is_newer(version: str, than: str) -> bool:
    """Whether a version comes after another one; of what cannot be compared none does."""
    one, other = _order(version), _order(than)
    return one is not None and other is not None and one > other


def is_same(offer: Offer, running: Running) -> bool:
    """Whether it is the very file that runs."""
    return offer.sha256 == running.sha256


def why_not(offer: Offer, running: Running, wanted: Wanted) -> Optional[str]:
    """Return why an owner's command does not make the agent take this one; None: it takes it."""
    if wanted.version is not None and offer.version != wanted.version:
        return "the server hands out agent %s, and %s was asked for" % (
            offer.version,
            wanted.version,
        )
    if is_newer(running.version, offer.version) and not wanted.downgrade:
        return (
            "the server hands out agent %s, which is older than %s that runs here; the argument "
            '"downgrade": true permits that' % (offer.version, running.version)
        )
    return None


def _order(version: str) -> Optional[Tuple[Tuple[int, ...], int, int]]:
    """Return what versions are ordered by: 1.0.dev1 < 1.0a1 < 1.0b1 < 1.0rc1 < 1.0 < 1.0.1."""
    found = _VERSION.fullmatch(version)
    if found is None:
        return None
    numbers = [int(part) for part in found.group("release").split(".")]
    while numbers and numbers[-1] == 0:
        del numbers[-1]
    return tuple(numbers), _STAGES.index(found.group("stage")), int(found.group("n") or 0)

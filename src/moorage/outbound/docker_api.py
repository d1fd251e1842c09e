"""What of a container engine's API may be asked for, what only reads there, and what is left out.

Pure functions, no I/O. The engine's API is Docker's; paths are those below its root, such as
``containers/json`` or ``v1.44/containers/json``.
"""

import re
from typing import Any

from moorage.core.environments import Access
from moorage.core.errors import DomainError, Kind, invalid

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE")
_LONGEST_PATH = 1024
# All that names of containers, images, networks and volumes are made of. No percent sign: what is
# encoded a second time would be decoded a second time.
_SEGMENT = re.compile(r"[A-Za-z0-9._:@+~-]+")
_VERSION = re.compile(r"v[0-9]{1,2}\.[0-9]{1,3}/")
_NAME = "[^/]+"
_IMAGE = "[^/]+(?:/[^/]+)*"
_READS = re.compile(
    "|".join(
        (
            "_ping",
            "version",
            "info",
            "events",
            "system/df",
            "containers/json",
            f"containers/{_NAME}/(?:json|stats|logs|top)",
            "images/json",
            f"images/{_IMAGE}/json",
            "networks",
            f"networks/{_NAME}",
            "volumes",
            f"volumes/{_NAME}",
        )
    )
)
_INSPECTS = re.compile(f"containers/{_NAME}/json|images/{_IMAGE}/json")
_FOLLOWS = re.compile(f"events|containers/{_NAME}/(?:stats|logs|attach)")


def check_path(path: str) -> str:
    """Return a path that means what it says, once decoded, without a slash before it.

    Raises:
        DomainError: ``invalid``: it climbs, has empty parts, is encoded once more, or holds
            characters no name there has.

    """
    if len(path) > _LONGEST_PATH:
        raise invalid("/path", f"the path is longer than {_LONGEST_PATH} characters")
    for segment in path.split("/"):
        if segment in ("", ".", ".."):
            raise invalid(
                "/path", "the path has an empty part, '.' or '..'; write it out, as containers/json"
            )
        if not _SEGMENT.fullmatch(segment):
            raise invalid(
                "/path",
                "the path holds characters that no name there has; use letters, digits and "
                "._:@+~-, none of them encoded twice",
            )
    return path


def check_method(method: str) -> str:
    """Return a method the engine knows. Raises DomainError ``invalid`` for another."""
    if method not in METHODS:
        raise invalid("/method", f"the container engine knows {', '.join(METHODS)}")
    return method


def classify(method: str, path: str) -> Access:
    """Say what a call with a checked path does; whatever is not known to read manages."""
    if method in ("GET", "HEAD") and _READS.fullmatch(_unversioned(path)):
        return Access.READ
    return Access.MANAGE


def inspects(method: str, path: str) -> bool:
    """Whether the answer shows one thing whole, environment variables among it."""
    return method == "GET" and bool(_INSPECTS.fullmatch(_unversioned(path)))


def follows(path: str) -> bool:
    """Whether the answer may go on for as long as somebody listens."""
    return bool(_FOLLOWS.fullmatch(_unversioned(path)))


def without_environment(shown: Any) -> Any:
    """Return the same JSON value with every list named ``Env`` cut down to the variables' names."""
    if isinstance(shown, dict):
        return {
            key: _names(value) if key.lower() == "env" else without_environment(value)
            for key, value in shown.items()
        }
    if isinstance(shown, list):
        return [without_environment(value) for value in shown]
    return shown


def _names(listed: Any) -> Any:
    if isinstance(listed, list):
        return [one.partition("=")[0] for one in listed if isinstance(one, str)]
    return list(listed) if isinstance(listed, dict) else None


def _unversioned(path: str) -> str:
    return _VERSION.sub("", path, count=1) if _VERSION.match(path) else path


def unavailable(detail: str) -> DomainError:
    """Refuse because there is no answer to show."""
    return DomainError(Kind.UNAVAILABLE, "environment_unavailable", detail, retry_after_s=5)

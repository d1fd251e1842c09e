"""What a workspace may be called."""

import re
from collections.abc import Mapping

from moorage.core.errors import DomainError, invalid
from moorage.core.workspaces.model import Feature, KeptDays

_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")

# A slug is the first path segment of the Deployment Manager API, so it must never be one of ours,
# nor one a client of the other APIs asks for. A test holds this against the router.
RESERVED_SLUGS = frozenset(
    [
        "v1",
        "api",
        "devices",
        "login",
        "setup",
        "install",
        "console",
        "static",
        "healthz",
        "readyz",
        "metrics",
        "inference-stats",
        "usage",
        "docs",
        "redoc",
        "openapi.json",
        "favicon.ico",
        "robots.txt",
        ".well-known",
        "account",
        "admin",
        "default",
        "publishable",
        "customers",
        "locations",
        "tariffs",
        "meters",
        "costs",
        "rates",
        "schedules",
        "slots",
        "connect",
        "events",
    ]
)


# The workspace of whoever runs the server. No owner can have its slug: it is reserved.
ADMIN_SLUG = "admin"
_LONGEST_NAME = 128


def check_name(name: str) -> str:
    """Return the name trimmed. Raises DomainError ``invalid``."""
    trimmed = name.strip()
    if not trimmed or len(trimmed) > _LONGEST_NAME or not trimmed.isprintable():
        raise invalid("/name", f"a workspace's name is 1 to {_LONGEST_NAME} printable characters")
    return trimmed


def check_slug(slug: str) -> None:
    """Raise DomainError ``invalid`` unless the slug can name a workspace."""
    if not _SLUG.fullmatch(slug):
        raise invalid(
            "/slug",
            "a workspace slug is 1 to 63 lower-case letters, digits and dashes and begins with a "
            "letter or digit",
        )
    if slug in RESERVED_SLUGS:
        raise invalid(
            "/slug", f"the slug {slug} is part of the server's own addresses; choose another"
        )


def check_features(names: list[str]) -> frozenset[Feature]:
    """Return the features named, or raise DomainError ``invalid`` listing those there are."""
    known = {str(feature) for feature in Feature}
    for name in names:
        if name not in known:
            raise invalid("/features", f"there is no feature {name!r}; there are {sorted(known)}")
    return frozenset(Feature(name) for name in names)


def check_retention(
    before: Mapping[str, float],
    wanted: Mapping[str, float | None],
    bounds: Mapping[str, KeptDays],
) -> dict[str, float]:
    """Return the days chosen after a change; None gives a kind back to the server's own.

    Raises:
        DomainError: ``invalid`` for a kind that is not kept by age, or days out of bounds.

    """
    chosen = dict(before)
    for name, days in wanted.items():
        bound = bounds.get(name)
        if bound is None:
            raise invalid(f"/retention/{name}", f"there is no {name}; there are {sorted(bounds)}")
        if days is None:
            chosen.pop(name, None)
        elif bound.least <= days <= bound.most:
            chosen[name] = days
        else:
            raise invalid(
                f"/retention/{name}",
                f"this server lets a workspace choose {bound.least:g} to {bound.most:g} days here",
            )
    return chosen


def refuse_absent(slug: str) -> DomainError:
    """Say that a workspace is not there."""
    return invalid("/slug", f"there is no workspace {slug!r}")

"""ETags of config: a digest in quotes, compared strongly (RFC 9110, 8.8.3 and 13.1)."""

from starlette.requests import Request

from moorage.core.errors import DomainError, Kind


def etag(digest: str) -> str:
    """Write a digest as an entity tag."""
    return f'"{digest}"'


def if_match(request: Request) -> str | None:
    """Return the digest the caller saw, or None when it did not say or takes any.

    Raises:
        DomainError: ``invalid`` for several tags or a weak one.

    """
    text = request.headers.get("if-match")
    if text is None or text.strip() == "*":
        return None
    tag = text.strip()
    if len(tag) < 2 or tag[0] != '"' or tag[-1] != '"' or '"' in tag[1:-1]:  # noqa: PLR2004 - quotes
        raise DomainError(
            Kind.INVALID, "if_match_invalid", "If-Match takes one entity tag in double quotes, or *"
        )
    return tag[1:-1]


def not_modified(request: Request, digest: str) -> bool:
    """Whether the caller has this version already (If-None-Match)."""
    text = request.headers.get("if-none-match")
    if text is None:
        return False
    tags = {tag.strip().removeprefix("W/") for tag in text.split(",")}
    return "*" in tags or etag(digest) in tags

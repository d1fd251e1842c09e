"""The addresses of links that let somebody in."""

from moorage.core.accounts import LinkKind, NewLink

# The text of a link stands behind the `#`, which no browser sends and no proxy writes down.
_PATHS = {
    LinkKind.SET_UP: "/console/set-up#",
    LinkKind.INVITE: "/console/invitation#",
    LinkKind.RESET: "/console/password#",
}


def address_of(public_url: str, made: NewLink) -> str:
    """Return a link as it is opened in a browser."""
    return f"{public_url}{_PATHS[made.link.kind]}{made.text}"

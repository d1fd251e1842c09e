"""Where secrets stand in what people write: under telling names, and as userinfo of URLs."""

import re

# Stands where a secret is not shown. No secret is this text, so one that comes back is noticed.
MASK = "********"

SECRET_NAMES = frozenset(
    (
        "password",
        "passwd",
        "pwd",
        "secret",
        "api_key",
        "apikey",
        "auth",
        "authorization",
        "token",
        "access_token",
        "credential",
    )
)

# scheme://user:password@host - up to the last @ before the path, because passwords hold @ as well.
# Schemes are short; without a bound a long word is looked through once for each of its letters.
_USERINFO = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,19}://)[^\s/?#]*@")
# ?password=... and &token=... of an address.
_IN_QUERY = re.compile(rf"([?&](?:{'|'.join(sorted(SECRET_NAMES))})=)[^&#\s]+", re.IGNORECASE)


def is_secret_name(name: str) -> bool:
    """Whether a key's name says that its value is a secret."""
    return name.lower() in SECRET_NAMES


def with_masked_userinfo(text: str) -> str:
    """Put the mask where secrets of every URL in a text stand: userinfo, names in a query."""
    return _IN_QUERY.sub(rf"\1{MASK}", _USERINFO.sub(rf"\1{MASK}@", text))


def without_userinfo(text: str) -> str:
    """Take user and password out of every URL in a text, and mask secrets in its query."""
    return _IN_QUERY.sub(rf"\1{MASK}", _USERINFO.sub(r"\1", text))

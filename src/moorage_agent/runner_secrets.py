"""Where a stream's config holds secrets, and taking them out of what is said.

A camera's address holds a user and a password, or has them in its query; a command's environment
may be full of them. None of that is in a line, an error or a state.
"""

from __future__ import annotations

import re
import urllib.parse
from typing import Any, Dict, Iterator, List, Match, NamedTuple, Optional

from moorage_agent import keytext

_MASK = "***"
# scheme://user:password@host, up to the last @ before the path: passwords hold @ as well. Schemes
# are short here, so that a long line is searched in one go.
_USERINFO = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,19}://)[^\s/?#]*@")
_WORD = re.compile(r"[^\s'\"]+")
_SECRET_NAME = re.compile(
    r"passw|passphrase|secret|token|api_?key|auth|credential|private_?key", re.IGNORECASE
)
# Shorter ones would take everyday words out of lines.
_SHORTEST = 4


class Source(NamedTuple):
    """Where a stream comes from. ``url`` is without user and password; a path has no ``scheme``."""

    scheme: str
    host: str
    port: Optional[int]
    url: str
    user: Optional[str]
    password: Optional[str]

    def whole(self) -> str:
        """Return the address with user and password; not for people."""
        if self.user is None:
            return self.url
        login = urllib.parse.quote(self.user, safe="")
        if self.password is not None:
            login += ":" + urllib.parse.quote(self.password, safe="")
        return self.url.replace("://", "://%s@" % login, 1)

    def place(self) -> str:
        """Return which camera it is, for people."""
        if not self.scheme:
            return self.url
        host = "[%s]" % self.host if ":" in self.host else self.host
        return host if self.port is None else "%s:%d" % (host, self.port)


def source_of(spec: Dict[str, Any]) -> Source:
    """Return where a stream comes from.

    ``source`` is an address or a path, or an object with ``url`` and maybe ``username`` and
    ``password``.

    Raises:
        ValueError: there is none, or it is none; the text holds no credentials.

    """
    told = spec.get("source")
    fields = told if isinstance(told, dict) else {}
    text = fields.get("url") if fields else told
    if not isinstance(text, str) or not text.strip():
        raise ValueError(
            "the config names no source; it is the address of a camera or the path of a video, or "
            "an object with url, username and password"
        )
    text = text.strip()
    if not text.isprintable():
        raise ValueError("the source holds characters that no address has")
    user, password = fields.get("username"), fields.get("password")
    return _parsed(text, _text(user), _text(password))


def _parsed(text: str, user: Optional[str], password: Optional[str]) -> Source:
    if "://" not in text:
        return Source("", "", None, text, None, None)
    scheme, rest = text.split("://", 1)
    authority, slash, path = _split(rest)
    if "@" in authority:
        login, authority = authority.rsplit("@", 1)
        name, colon, word = login.partition(":")
        user = urllib.parse.unquote(name) if user is None else user
        if colon and password is None:
            password = urllib.parse.unquote(word)
    try:
        parts = urllib.parse.urlsplit("//" + authority)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError("the source's host or port is none") from None
    url = "%s://%s%s%s" % (scheme.lower(), authority, slash, path)
    return Source(scheme.lower(), host, port, url, user, password)


def _split(rest: str) -> List[str]:
    found = re.search(r"[/?#]", rest)
    if found is None:
        return [rest, "", ""]
    at = found.start()
    return [rest[:at], rest[at], rest[at + 1 :]]


def _text(value: Any) -> Optional[str]:
    return value if isinstance(value, str) else None


class Secrets:
    """The secrets of one stream's config."""

    def __init__(self, spec: Dict[str, Any]) -> None:
        """Find them."""
        found = {text for text in _secrets(spec, secret=False) if len(text) >= _SHORTEST}
        self._texts = sorted(found, key=len, reverse=True)

    def cut(self, text: str) -> str:
        """Return the text without them, and without user, password and query of any address."""
        for secret in self._texts:
            text = text.replace(secret, _MASK)
        if "://" in text:
            text = _WORD.sub(_without_query, _USERINFO.sub(r"\1", text))
        return keytext.redacted(text)


def _without_query(word: Match[str]) -> str:
    """Return an address without what follows its ?: cheap cameras take the password there."""
    text = word.group()
    begins = text.find("://")
    query = text.find("?", begins) if begins >= 0 else -1
    return text if query < 0 else text[:query]


def _secrets(value: Any, *, secret: bool) -> Iterator[str]:
    if isinstance(value, dict):
        for key, part in value.items():
            named = secret or key == "environment" or bool(_SECRET_NAME.search(str(key)))
            for text in _secrets(part, secret=named):
                yield text
    elif isinstance(value, list):
        for part in value:
            for text in _secrets(part, secret=secret):
                yield text
    elif isinstance(value, str):
        if secret:
            yield value
        for text in _of_address(value):
            yield text


def _of_address(text: str) -> Iterator[str]:
    if "://" not in text:
        return
    authority, _, path = _split(text.split("://", 1)[1])
    if "@" in authority:
        login = authority.rsplit("@", 1)[0]
        password = login.partition(":")[2]
        for part in (login, password, urllib.parse.unquote(password)):
            yield part
    # Which part of a query is the password nobody knows.
    for _, part in urllib.parse.parse_qsl(path.partition("?")[2] or _bare_query(text)):
        yield part
        yield urllib.parse.quote(part)


def _bare_query(text: str) -> str:
    return text.partition("?")[2]

"""How a registry wants to be asked: Basic, or a token from the service that its challenge names.

A credential goes to the registry it is for, and to the address for tokens which that registry
names. Nothing but a token is taken from there, and the scope that is asked for is always ours:
reading this one repository.
"""

from __future__ import annotations

import base64
import json
import re
import urllib.parse
from typing import Dict, List, NamedTuple, Optional, Tuple

from moorage_agent.registry_http import Asker, Unasked, target_of

_LONGEST_CHALLENGE = 4096
_LONGEST_TOKEN = 32 * 1024
_MOST_TOKEN_BYTES = 128 * 1024
_SCHEME = re.compile(r"\s*(Basic|Bearer)\s+", re.IGNORECASE)
_PARAMETER = re.compile(r'\s*([a-z_]+)\s*=\s*(?:"([^"\\]*)"|([^\s",]+))\s*(?:,|$)', re.IGNORECASE)
_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]+")


class Refused(Exception):
    """The registry said no: not there, or not for us. The text holds nothing of its words."""


class Challenge(NamedTuple):
    """How to come again; ``realm`` is where tokens are, for Bearer."""

    scheme: str
    realm: str
    service: str


def challenge_of(headers: List[str]) -> Optional[Challenge]:
    """Return what ``WWW-Authenticate`` asks for, Bearer before Basic; None: nothing we know."""
    found: Dict[str, Challenge] = {}
    for header in headers:
        scheme = _SCHEME.match(header)
        if scheme is None or len(header) > _LONGEST_CHALLENGE:
            continue
        told: Dict[str, str] = {}
        place = scheme.end()
        parameter = _PARAMETER.match(header, place)
        while parameter is not None:
            told.setdefault(parameter[1].lower(), parameter[2] or parameter[3] or "")
            place = parameter.end()
            parameter = _PARAMETER.match(header, place) if place < len(header) else None
        name = scheme[1].lower()
        found.setdefault(name, Challenge(name, told.get("realm", ""), told.get("service", "")))
    return found.get("bearer") or found.get("basic")


def basic(auth: Dict[str, str]) -> str:
    """Return the header's value for a user name and a password."""
    login = "%s:%s" % (auth["username"], auth["password"])
    return "Basic " + base64.b64encode(login.encode("utf-8")).decode("ascii")


def authorization(
    asker: Asker,
    registry: str,
    repository: str,
    challenges: List[str],
    auth: Optional[Dict[str, str]],
) -> str:
    """Return the header's value with which the registry at ``registry`` may answer.

    Raises:
        Refused: it wants credentials and there are none, or they are not taken.
        Unasked: its way is none that we go.

    """
    challenge = challenge_of(challenges)
    if challenge is None:
        raise Unasked("it wants a login of a kind that is not known here")
    if challenge.scheme == "basic":
        if auth is None:
            raise Refused("it wants a login, and the config has none for it")
        return basic(auth)
    return "Bearer " + _token(asker, registry, repository, challenge, auth)


def _token(
    asker: Asker,
    registry: str,
    repository: str,
    challenge: Challenge,
    auth: Optional[Dict[str, str]],
) -> str:
    url = _with_query(
        challenge.realm,
        [("service", challenge.service), ("scope", "repository:%s:pull" % repository)],
    )
    realm = target_of(url)
    if target_of(registry).is_tls and not realm.is_tls:
        raise Unasked("it has TLS, and its tokens are to be fetched without it")
    headers = {"Accept": "application/json"}
    if auth is not None:
        headers["Authorization"] = basic(auth)
    reply = asker.get(url, headers, most_bytes=_MOST_TOKEN_BYTES, moves=False)
    if reply.status in (401, 403):
        lacking = "the config has no login for it" if auth is None else "the login is not taken"
        raise Refused("it gives no token: " + lacking)
    if reply.status != 200:
        raise Unasked("its service for tokens answers %d" % reply.status)
    try:
        told = json.loads(reply.body.decode("utf-8"))
        token = told.get("token") or told.get("access_token")
    except (ValueError, RecursionError, AttributeError):
        token = None
    whole = isinstance(token, str) and len(token) <= _LONGEST_TOKEN and _TOKEN.fullmatch(token)
    if not whole:
        raise Unasked("its service for tokens answers with none")
    return str(token)


def _with_query(url: str, more: List[Tuple[str, str]]) -> str:
    added = urllib.parse.urlencode([pair for pair in more if pair[1]])
    bare = url.partition("#")[0]
    return bare + ("&" if "?" in bare else "?") + added

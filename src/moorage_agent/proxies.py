"""Which proxy a request goes through, by the usual environment variables.

Read here and not by ``urllib.request``, which weighs half a megabyte on a small device.
"""

from __future__ import annotations

import base64
import os
import urllib.parse
from typing import Dict, NamedTuple, Optional

_WRONG = (
    "the proxy in %s is of no use: it is http://HOST:PORT, or http://USER:PASSWORD@HOST:PORT with "
    "both percent-encoded"
)
_OTHER_KIND = (
    "the proxy in %s is of the kind %s; only http:// proxies can be used (they carry https as well)"
)


class Proxy(NamedTuple):
    """Where to connect, and what to say there. ``variable``: who said so."""

    host: str
    port: int
    headers: Dict[str, str]
    variable: str


def find(scheme: str, host: str, port: int) -> Optional[Proxy]:
    """Return the proxy for a server of that scheme ("http" or "https"), if there is one.

    Raises:
        ValueError: what the environment says is no proxy that can be used; no login is repeated.

    """
    variable = _variable(scheme + "_proxy") or _variable("all_proxy")
    if variable is None or _goes_past(host, port):
        return None
    told = os.environ[variable].strip()
    try:
        parts = urllib.parse.urlsplit(told if "//" in told else "//" + told)
        proxy_host, proxy_port = parts.hostname, parts.port or 8080
    except ValueError:
        raise ValueError(_WRONG % variable) from None
    if parts.scheme not in ("", "http"):
        raise ValueError(_OTHER_KIND % (variable, parts.scheme))
    if not proxy_host or "%" in proxy_host:
        raise ValueError(_WRONG % variable)
    headers = {}
    if parts.username is not None:
        login = "%s:%s" % (
            urllib.parse.unquote(parts.username),
            urllib.parse.unquote(parts.password or ""),
        )
        encoded = base64.b64encode(login.encode("utf-8")).decode("ascii")
        headers["Proxy-Authorization"] = "Basic " + encoded
    return Proxy(proxy_host, proxy_port, headers, variable)


def _variable(name: str) -> Optional[str]:
    """Return how the variable is spelled that says something; lower case goes first."""
    for spelled in (name, name.upper()):
        if os.environ.get(spelled, "").strip():
            return spelled
    return None


def _goes_past(host: str, port: int) -> bool:
    """Whether ``no_proxy`` names the host, the host and the port, or a domain that it is in."""
    variable = _variable("no_proxy")
    if variable is None:
        return False
    name = host.lower().rstrip(".")
    with_port = "%s:%d" % ("[%s]" % name if ":" in name else name, port)
    for told in os.environ[variable].lower().split(","):
        one = told.strip()
        if one in ("*", name, "[%s]" % name, with_port):
            return True
        domain = one.lstrip("*.")
        if domain and name.endswith("." + domain):
            return True
    return False

"""Which proxy a request goes through, by the usual environment variables."""

from __future__ import annotations

import base64
import urllib.parse
import urllib.request
from typing import Dict, NamedTuple, Optional


class Proxy(NamedTuple):
    """Where to connect, and what to say there."""

    host: str
    port: int
    headers: Dict[str, str]


def find(scheme: str, host: str, port: int) -> Optional[Proxy]:
    """Return the proxy for a server of that scheme ("http" or "https"), if there is one."""
    told = urllib.request.getproxies().get(scheme)
    if not told or _bypassed(host, port):
        return None
    parts = urllib.parse.urlsplit(told if "//" in told else "//" + told)
    if not parts.hostname:
        return None
    headers = {}
    if parts.username is not None:
        login = "%s:%s" % (
            urllib.parse.unquote(parts.username),
            urllib.parse.unquote(parts.password or ""),
        )
        encoded = base64.b64encode(login.encode("utf-8")).decode("ascii")
        headers["Proxy-Authorization"] = "Basic " + encoded
    return Proxy(parts.hostname, parts.port or 8080, headers)


def _bypassed(host: str, port: int) -> bool:
    # NO_PROXY may name the host, or the host and the port.
    return any(bool(urllib.request.proxy_bypass(name)) for name in (host, "%s:%d" % (host, port)))

"""GET from registries and the services they name: bounded in time and bytes, careful where to.

What a registry answers may name other addresses, for tokens and for blobs. Whoever runs a registry
could have a device ask around in the device's own network that way. So plain HTTP is for loopback
only, and no address may be nearer to this device than the registry's own.
"""

from __future__ import annotations

import http.client
import ipaddress
import os
import socket
import ssl
import threading
import time
import urllib.parse
from email.message import Message
from typing import Dict, NamedTuple, Optional, Union

from moorage_agent import proxies
from moorage_agent.loopback import is_loopback

_MOST_REDIRECTS = 3
_CONNECT_WITHIN_S = 10.0
_REDIRECTS = (301, 302, 303, 307, 308)
# Where engines look for the certificates of private registries.
_CERTIFICATES = "/etc/docker/certs.d"
# How near an address is.
_HERE, _NEARBY, _OUTSIDE = 0, 1, 2


class Unasked(Exception):
    """No answer that counts; the text says why, without anything that may be secret."""


class Target(NamedTuple):
    """Where a request goes; ``path`` with its query."""

    is_tls: bool
    host: str
    port: int
    path: str

    def is_same_origin(self, other: Target) -> bool:
        """Whether what is for one may be told the other."""
        return self[:3] == other[:3]


class Reply(NamedTuple):
    """An answer; ``body`` is whole."""

    status: int
    headers: Message
    body: bytes


def target_of(url: str) -> Target:
    """Return where an address leads. Raises Unasked when nothing may be asked there."""
    try:
        parts = urllib.parse.urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise Unasked("it names an address that is none") from None
    plain = url.isascii() and url.isprintable() and " " not in url
    if not plain or not host or parts.scheme not in ("http", "https") or "@" in parts.netloc:
        raise Unasked("it names an address that is none")
    is_tls = parts.scheme == "https"
    if not is_tls and not is_loopback(host):
        raise Unasked("it is to be asked without TLS, which is done on this machine itself only")
    path = (parts.path or "/") + ("?" + parts.query if parts.query else "")
    return Target(is_tls, host, port or (443 if is_tls else 80), path)


class Asker:
    """Requests about one image, all within one time. The first one's host sets what is too near."""

    def __init__(self, within_s: float) -> None:
        """All that is asked has so many seconds together."""
        self._within_s = within_s
        self._deadline = time.monotonic() + within_s
        self._nearest: Optional[int] = None

    def get(self, url: str, headers: Dict[str, str], *, most_bytes: int, moves: bool) -> Reply:
        """Return the answer; ``moves`` follows redirects, without credentials to other origins.

        Raises:
            Unasked: there is none that counts.

        """
        first = target = target_of(url)
        for _ in range(_MOST_REDIRECTS + 1):
            kept = headers
            if not target.is_same_origin(first):
                kept = {k: v for k, v in headers.items() if k.lower() != "authorization"}
            reply = self._once(target, kept, most_bytes)
            location = reply.headers.get("Location")
            if not moves or reply.status not in _REDIRECTS or not location:
                return reply
            url = urllib.parse.urljoin(url, location)
            target = self._moved(first, url)
        raise Unasked("it redirects again and again")

    def _moved(self, first: Target, url: str) -> Target:
        target = target_of(url)
        if first.is_tls and not target.is_tls:
            raise Unasked("it redirects from TLS to plain HTTP")
        return target

    def _once(self, target: Target, headers: Dict[str, str], most_bytes: int) -> Reply:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise self._late()
        call = _Call(target, min(left, _CONNECT_WITHIN_S))
        watch = threading.Timer(left, call.cut)
        watch.daemon = True
        watch.start()
        try:
            call.connect()
            self._check_nearness(call.nearness())
            call.secure()
            return call.ask(headers, most_bytes)
        except (OSError, ValueError, http.client.HTTPException) as error:
            if call.expired.is_set():
                raise self._late() from None
            raise Unasked(_reason(error)) from None
        finally:
            watch.cancel()
            call.close()

    def _check_nearness(self, nearness: int) -> None:
        if self._nearest is None:
            self._nearest = nearness
        elif nearness < self._nearest:
            raise Unasked("it names an address inside this device's network, which is not asked")

    def _late(self) -> Unasked:
        return Unasked("it did not answer within %d seconds" % self._within_s)


class _Call:
    """One request on a connection of its own, which another thread may cut."""

    def __init__(self, target: Target, patience_s: float) -> None:
        self._target = target
        self._patience_s = patience_s
        self._sock: Optional[socket.socket] = None
        self._proxy: Optional[proxies.Proxy] = None
        self.expired = threading.Event()

    def connect(self) -> None:
        target = self._target
        if target.is_tls and not is_loopback(target.host):
            self._proxy = proxies.find("https", target.host, target.port)
        place = (target.host, target.port)
        if self._proxy is not None:
            place = (self._proxy.host, self._proxy.port)
        self._sock = socket.create_connection(place, self._patience_s)
        if self.expired.is_set():
            raise socket.timeout
        if self._proxy is not None:
            self._tunnel(self._proxy)

    def nearness(self) -> int:
        """Return how near the other side is; a proxy looks names up itself."""
        host = self._target.host
        if self._proxy is None and self._sock is not None:
            host = str(self._sock.getpeername()[0])
        try:
            return _nearness(ipaddress.ip_address(host.partition("%")[0]))
        except ValueError:
            return _HERE if is_loopback(host) else _OUTSIDE

    def secure(self) -> None:
        if not self._target.is_tls or self._sock is None:
            return
        context = _context(self._target)
        # Seen by whoever cuts it before its first byte.
        self._sock = secured = context.wrap_socket(
            self._sock, server_hostname=self._target.host, do_handshake_on_connect=False
        )
        secured.do_handshake()

    def ask(self, headers: Dict[str, str], most_bytes: int) -> Reply:
        connection = http.client.HTTPConnection(self._target.host, self._target.port)
        connection.default_port = 443 if self._target.is_tls else 80
        connection.sock = self._sock
        connection.request("GET", self._target.path, None, {"Connection": "close", **headers})
        response = connection.getresponse()
        body = response.read(most_bytes + 1)
        if len(body) > most_bytes:
            raise ValueError("it answers with more than %d bytes" % most_bytes)
        if self.expired.is_set():
            raise socket.timeout
        return Reply(response.status, response.headers, body)

    def _tunnel(self, proxy: proxies.Proxy) -> None:
        assert self._sock is not None
        host, port = self._target.host, self._target.port
        place = "%s:%d" % ("[%s]" % host if ":" in host else host, port)
        lines = ["CONNECT %s HTTP/1.1" % place, "Host: " + place]
        lines += ["%s: %s" % pair for pair in proxy.headers.items()]
        self._sock.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))
        answer = http.client.HTTPResponse(self._sock, method="CONNECT")
        answer.begin()
        if answer.status != 200:
            raise ValueError("the proxy lets nothing through to it (%d)" % answer.status)

    def cut(self) -> None:
        self.expired.set()
        sock = self._sock
        if sock is None:
            return
        try:
            # Not an SSL socket's own shutdown: that one is not for two threads.
            socket.socket.shutdown(sock, socket.SHUT_RDWR)
        except OSError:
            return

    def close(self) -> None:
        if self._sock is not None:
            self._sock.close()


def _nearness(address: Union[ipaddress.IPv4Address, ipaddress.IPv6Address]) -> int:
    mapped = getattr(address, "ipv4_mapped", None)
    if mapped is not None:
        address = mapped
    if address.is_loopback or address.is_link_local or address.is_unspecified:
        return _HERE
    return _OUTSIDE if address.is_global else _NEARBY


def _context(target: Target) -> ssl.SSLContext:
    """Trust what the engine would: the system's authorities, and those set up for the registry."""
    context = ssl.create_default_context()
    names = ["%s:%d" % (target.host, target.port)]
    names += [target.host] if target.port == 443 else []
    for name in names:
        folder = os.path.join(_CERTIFICATES, name)
        for file in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
            if file.endswith(".crt"):
                context.load_verify_locations(os.path.join(folder, file))
    return context


def _reason(error: Exception) -> str:
    if isinstance(error, socket.gaierror):
        return "its name cannot be resolved"
    if isinstance(error, ssl.SSLError):
        return "TLS was refused: %s" % (error.reason or "it speaks none")
    if isinstance(error, socket.timeout):
        return "it does not answer"
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    if isinstance(error, http.client.HTTPException):
        return "its answer is no HTTP (%s)" % type(error).__name__
    return str(error)[:200]

"""Requests to the one server this agent belongs to. Follows no redirect: keys go nowhere else."""

from __future__ import annotations

import gzip
import hashlib
import hmac
import http.client
import json
import socket
import ssl
import urllib.parse
import urllib.request
from typing import Any, Dict, NamedTuple, Optional, Tuple

CONNECT_WITHIN_S = 10
_GZIP_FROM_BYTES = 1024
_LONGEST_ANSWER = 4 * 1024 * 1024


class Unreachable(Exception):
    """No answer; the text says what to look at."""


class Answer(NamedTuple):
    """An answer; ``body`` is None when it is no JSON object."""

    status: int
    body: Optional[Dict[str, Any]]
    retry_after_s: Optional[float]


class Transport:
    """Connections to a server. One of these belongs to one thread."""

    def __init__(
        self, server: str, *, ca_file: Optional[str] = None, pin: Optional[str] = None
    ) -> None:
        """Keep the address.

        Raises:
            ValueError: the address, the CA file or the pin is none.

        """
        parts = urllib.parse.urlsplit(server)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("a server address begins with http:// or https:// and names a host")
        self._tls = parts.scheme == "https"
        self._host = parts.hostname
        self._port = parts.port or (443 if self._tls else 80)
        self._prefix = parts.path.rstrip("/")
        self._pin = None if pin is None else _parse_pin(pin)
        self._context = _context(ca_file, pinned=pin is not None) if self._tls else None
        self._connection: Optional[http.client.HTTPConnection] = None

    def post(self, path: str, body: bytes, headers: Optional[Dict[str, str]] = None) -> Answer:
        """Send a JSON body; return whatever was answered.

        Raises:
            Unreachable: no whole answer came.

        """
        sent = {"Content-Type": "application/json", "Accept": "application/json", **(headers or {})}
        if len(body) >= _GZIP_FROM_BYTES:
            body = gzip.compress(body, 6)
            sent["Content-Encoding"] = "gzip"
        # A kept connection may have been closed by the other side meanwhile; that alone is worth a
        # second try at once. Sending twice is safe: reports have ids.
        for fresh in (self._connection is None, True):
            try:
                return self._once("POST", path, body, sent)
            except (OSError, http.client.HTTPException) as error:
                self.close()
                if fresh:
                    raise Unreachable(_reason(error, self._host)) from error
        raise AssertionError("unreachable")

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def local_address(self) -> Optional[str]:
        """Return this machine's address on the way to the server."""
        sock = getattr(self._connection, "sock", None)
        try:
            return None if sock is None else str(sock.getsockname()[0])
        except OSError:
            return None

    def _once(self, method: str, path: str, body: bytes, headers: Dict[str, str]) -> Answer:
        if self._connection is None:
            self._connection = self._connect()
        connection = self._connection
        connection.request(method, self._target(path), body, headers)
        response = connection.getresponse()
        content = response.read(_LONGEST_ANSWER)
        if response.will_close:
            self.close()
        return Answer(response.status, _json(content), _seconds(response.getheader("Retry-After")))

    def _target(self, path: str) -> str:
        target = self._prefix + path
        if not self._tls and self._proxy() is not None:
            return "http://%s%s" % (_authority(self._host, self._port), target)
        return target

    def _proxy(self) -> Optional[Tuple[str, int]]:
        scheme = "https" if self._tls else "http"
        proxy = urllib.request.getproxies().get(scheme)
        if not proxy or urllib.request.proxy_bypass(self._host):
            return None
        parts = urllib.parse.urlsplit(proxy if "//" in proxy else "//" + proxy)
        return (parts.hostname or "", parts.port or 8080) if parts.hostname else None

    def _connect(self) -> http.client.HTTPConnection:
        proxy = self._proxy()
        host, port = proxy or (self._host, self._port)
        connection: http.client.HTTPConnection
        if self._context is None:
            connection = http.client.HTTPConnection(host, port, timeout=CONNECT_WITHIN_S)
        else:
            connection = http.client.HTTPSConnection(
                host, port, timeout=CONNECT_WITHIN_S, context=self._context
            )
            if proxy is not None:
                connection.set_tunnel(self._host, self._port)
        connection.connect()
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sock.settimeout(30)
        if self._pin is not None:
            self._check_pin(connection)
        return connection

    def _check_pin(self, connection: http.client.HTTPConnection) -> None:
        sock = connection.sock
        certificate = (
            sock.getpeercert(binary_form=True) if isinstance(sock, ssl.SSLSocket) else None
        )
        seen = hashlib.sha256(certificate or b"").hexdigest()
        if not hmac.compare_digest(seen, self._pin or ""):
            connection.close()
            raise ssl.SSLError(
                "the server's certificate is not the pinned one (it is sha256:%s)" % seen
            )


def _context(ca_file: Optional[str], *, pinned: bool) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ValueError("the CA file %s cannot be used: %s" % (ca_file, error)) from error
    if pinned:
        # The pin names the very certificate; who signed it and for which name adds nothing.
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _parse_pin(pin: str) -> str:
    digest = pin[7:].lower() if pin.startswith("sha256:") else ""
    if len(digest) != 64 or any(char not in "0123456789abcdef" for char in digest):
        raise ValueError("a pin is sha256: and 64 hex digits")
    return digest


def _authority(host: str, port: int) -> str:
    return "%s:%d" % ("[%s]" % host if ":" in host else host, port)


def _json(content: bytes) -> Optional[Dict[str, Any]]:
    try:
        value = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _seconds(text: Optional[str]) -> Optional[float]:
    try:
        return None if text is None else max(float(int(text)), 0.0)
    except ValueError:
        return None


def _reason(error: Exception, host: str) -> str:
    if isinstance(error, socket.gaierror):
        return "the name %s cannot be resolved; check the network's DNS" % host
    if isinstance(error, ssl.SSLError):
        return "TLS was refused: %s" % (error.reason or error.args[-1])
    if isinstance(error, socket.timeout):
        return "the server did not answer in time"
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens at the server's address"
    return "%s: %s" % (type(error).__name__, error)

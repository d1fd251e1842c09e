"""Requests to the one server this agent belongs to. Follows no redirect: keys go nowhere else."""

from __future__ import annotations

import copy
import gzip
import http.client
import json
import socket
import ssl
import threading
import time
import urllib.parse
from email.utils import parsedate_to_datetime
from typing import Any, Dict, NamedTuple, Optional

from moorage_agent import pins, proxies

CONNECT_WITHIN_S = 10
ANSWER_WITHIN_S = 30
# A slow line is given a second more for each so many bytes it has to carry.
_SLOW_LINE_BYTES_PER_S = 2048
# Routers on the way forget a quiet connection without a word, most of them after a minute or more.
_KEPT_FOR_S = 45
_GZIP_FROM_BYTES = 1024
_LONGEST_ANSWER = 1024 * 1024
_STALE = (ConnectionError, http.client.BadStatusLine, ssl.SSLEOFError, ssl.SSLZeroReturnError)


class Unreachable(Exception):
    """No answer; the text says what to look at."""


class Answer(NamedTuple):
    """An answer. ``body`` is None when it is no JSON object, ``location`` where a redirect goes."""

    status: int
    body: Optional[Dict[str, Any]]
    retry_after_s: Optional[float]
    location: Optional[str] = None

    def explained(self) -> str:
        """Return what this answer, none of those that count, says to people."""
        if 300 <= self.status < 400:
            return (
                "the server's address redirects (%d) to %s; redirects are not followed, so enrol "
                "with the final address" % (self.status, self.location or "somewhere else")
            )
        if self.body is None or "code" not in self.body:
            return (
                "something answered %d that is not a Moorage server; check the address, and "
                "whether a proxy or a sign-in page stands in between" % self.status
            )
        detail = str(self.body.get("detail", ""))[:300]
        return ("the server answered %d %s" % (self.status, detail)).strip()


class Transport:
    """Connections to a server. One of these belongs to one thread."""

    def __init__(
        self, server: str, *, ca_pem: Optional[str] = None, pin: Optional[str] = None
    ) -> None:
        """Keep the address. ``ca_pem``: certificates to trust, as text.

        Raises:
            ValueError: the address, the certificates or the pin is none.

        """
        parts = _parse_server(server)
        self._tls = parts.scheme == "https"
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if self._tls else 80)
        self._prefix = parts.path.rstrip("/")
        self._pin = None if pin is None else pins.parse(pin)
        if pin is not None and not self._tls:
            raise ValueError("a pin is of a certificate: the server's address must be https://")
        self._context = _context(ca_pem, pinned=pin is not None) if self._tls else None
        self._connection: Optional[http.client.HTTPConnection] = None
        self._used_at = 0.0
        # This machine's address on the way to the server; read by other threads.
        self.local_address: Optional[str] = None

    def twin(self) -> Transport:
        """Return one for another thread, to the same server with the same trust.

        They share what was read of certificates, which is most of what a transport weighs.
        """
        other = copy.copy(self)
        other._connection = None  # noqa: SLF001 - one of us
        return other

    def post(self, path: str, body: bytes, headers: Optional[Dict[str, str]] = None) -> Answer:
        """Send a JSON body; return whatever was answered. Raises Unreachable."""
        return self.request("POST", path, body, headers or {})

    def request(self, method: str, path: str, body: bytes, headers: Dict[str, str]) -> Answer:
        """Send a request; return whatever was answered. A body is JSON unless headers say else.

        Raises:
            Unreachable: no whole answer came.

        """
        sent = {"Accept": "application/json", **headers}
        if body:
            sent.setdefault("Content-Type", "application/json")
        if len(body) >= _GZIP_FROM_BYTES and sent["Content-Type"] == "application/json":
            body = gzip.compress(body, 6)
            sent["Content-Encoding"] = "gzip"
        if time.monotonic() - self._used_at > _KEPT_FOR_S:
            self.close()
        # A kept connection may have been closed by the other side meanwhile; that alone is worth a
        # second try at once. Sending twice is safe: reports have ids, and asking changes nothing.
        for fresh in (self._connection is None, True):
            try:
                return self._once(method, path, body or None, sent)
            except (OSError, ValueError, http.client.HTTPException) as error:
                self.close()
                if fresh or not isinstance(error, _STALE):
                    raise Unreachable(_reason(error, self._host)) from error
        raise AssertionError("unreachable")

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def find_local_address(self) -> None:
        """Look up which address of this machine leads to the server, sending nothing."""
        proxy = self._proxy()
        host, port = (proxy.host, proxy.port) if proxy else (self._host, self._port)
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
            family, kind, protocol, _, address = found[0]
            with socket.socket(family, kind, protocol) as sock:
                sock.connect(address)
                self.local_address = str(sock.getsockname()[0])
        except (OSError, ValueError):
            return

    def _once(
        self, method: str, path: str, body: Optional[bytes], headers: Dict[str, str]
    ) -> Answer:
        if self._connection is None:
            self._connection = self._connect()
        connection = self._connection
        allowed_s = ANSWER_WITHIN_S + len(body or b"") / _SLOW_LINE_BYTES_PER_S
        # A socket's time-out is for silence only; a trickle would hold the lane for ever.
        expired = threading.Event()
        watch = threading.Timer(allowed_s, _cut, (connection.sock, expired))
        watch.daemon = True
        watch.start()
        try:
            connection.request(method, self._target(path), body, self._with_proxy(headers))
            response = connection.getresponse()
            content = response.read(_LONGEST_ANSWER)
        except (OSError, http.client.HTTPException):
            if expired.is_set():
                raise socket.timeout from None
            raise
        finally:
            watch.cancel()
        if expired.is_set():
            raise socket.timeout
        self._used_at = time.monotonic()
        if response.will_close or not response.isclosed():
            self.close()
        return Answer(
            response.status,
            _json(content),
            _seconds(response.getheader("Retry-After")),
            response.getheader("Location"),
        )

    def _proxy(self) -> Optional[proxies.Proxy]:
        return proxies.find("https" if self._tls else "http", self._host, self._port)

    def _with_proxy(self, headers: Dict[str, str]) -> Dict[str, str]:
        proxy = None if self._tls else self._proxy()
        return headers if proxy is None else {**headers, **proxy.headers}

    def _target(self, path: str) -> str:
        target = self._prefix + path
        if not self._tls and self._proxy() is not None:
            return "http://%s%s" % (_authority(self._host, self._port), target)
        return target

    def _connect(self) -> http.client.HTTPConnection:
        proxy = self._proxy()
        host, port = (proxy.host, proxy.port) if proxy else (self._host, self._port)
        connection: http.client.HTTPConnection
        if self._context is None:
            connection = http.client.HTTPConnection(host, port, timeout=CONNECT_WITHIN_S)
        else:
            connection = http.client.HTTPSConnection(
                host, port, timeout=CONNECT_WITHIN_S, context=self._context
            )
            if proxy is not None:
                connection.set_tunnel(self._host, self._port, proxy.headers)
        connection.connect()
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sock.settimeout(ANSWER_WITHIN_S)
        self.local_address = str(connection.sock.getsockname()[0])
        if self._pin is not None:
            self._check_pin(connection)
        return connection

    def _check_pin(self, connection: http.client.HTTPConnection) -> None:
        assert self._pin is not None
        sock = connection.sock
        certificate = (
            sock.getpeercert(binary_form=True) if isinstance(sock, ssl.SSLSocket) else None
        )
        refusal = self._pin.refusal(certificate or b"")
        if refusal:
            connection.close()
            raise ssl.SSLError(refusal)


def _cut(sock: socket.socket, expired: threading.Event) -> None:
    expired.set()
    try:
        # Not an SSL socket's own shutdown: that one is not for two threads.
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
    except OSError:
        return


def _parse_server(server: str) -> urllib.parse.SplitResult:
    wrong = "a server address is http:// or https://, a host, maybe a port and a path"
    try:
        parts = urllib.parse.urlsplit(server)
        _port = parts.port
    except ValueError:
        raise ValueError(wrong) from None
    plain = server.isprintable() and " " not in server
    extra = "@" in parts.netloc or parts.query or parts.fragment
    if parts.scheme not in ("http", "https") or not parts.hostname or extra or not plain:
        raise ValueError(wrong)
    return parts


def _context(ca_pem: Optional[str], *, pinned: bool) -> ssl.SSLContext:
    if pinned:
        # The pin names the very certificate or key; who signed it and for which name adds nothing.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    try:
        return ssl.create_default_context(cadata=ca_pem)
    except (OSError, ValueError) as error:
        raise ValueError("the CA file holds no usable PEM certificates: %s" % error) from error


def _authority(host: str, port: int) -> str:
    return "%s:%d" % ("[%s]" % host if ":" in host else host, port)


def _json(content: bytes) -> Optional[Dict[str, Any]]:
    try:
        value = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _seconds(text: Optional[str]) -> Optional[float]:
    """Return what Retry-After asks for: a number of seconds, or a date."""
    if text is None:
        return None
    try:
        return max(float(int(text)), 0.0)
    except ValueError:
        pass
    try:
        return max(parsedate_to_datetime(text).timestamp() - time.time(), 0.0)
    except (TypeError, ValueError, OverflowError):
        return None


def _reason(error: Exception, host: str) -> str:
    if isinstance(error, socket.gaierror):
        return "the name %s cannot be resolved; check the network's DNS" % host
    if isinstance(error, ssl.SSLError):
        # Only errors of OpenSSL's own have a reason; ours is what was raised.
        return "TLS was refused: %s" % (getattr(error, "reason", None) or error.args[-1])
    if isinstance(error, socket.timeout):
        return "the server did not answer in time"
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens at the server's address"
    return "%s: %s" % (type(error).__name__, error)

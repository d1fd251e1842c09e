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
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import Any, Dict, Iterator, NamedTuple, Optional, Tuple, Type

from moorage_agent import addresses, proxies, secured

CONNECT_WITHIN_S = 10
ANSWER_WITHIN_S = 30
# A slow line is given a second more for each so many bytes it has to carry.
_SLOW_LINE_BYTES_PER_S = 2048
# Routers on the way forget a quiet connection without a word, most of them after a minute or more.
_KEPT_FOR_S = 45
_GZIP_FROM_BYTES = 1024
_LONGEST_ANSWER = 1024 * 1024
_PROXY_WANTS_LOGIN = 407
_STALE = (ConnectionError, http.client.BadStatusLine, ssl.SSLEOFError, ssl.SSLZeroReturnError)


class Unreachable(Exception):
    """No answer; the text says what to look at."""


class Answer(NamedTuple):
    """An answer. ``body`` is None when it is no JSON object, ``location`` where a redirect goes.

    ``content`` is the body as it came, for a transport that expects a file.
    """

    status: int
    body: Optional[Dict[str, Any]]
    retry_after_s: Optional[float]
    location: Optional[str] = None
    content: bytes = b""

    def code(self) -> Optional[str]:
        """Return the name that our server gives a refusal; those of others have numbers, if any."""
        code = None if self.body is None else self.body.get("code")
        return code if isinstance(code, str) else None

    def explained(self) -> str:
        """Return what this answer, none of those that count, says to people."""
        if 300 <= self.status < 400:
            return (
                "the server's address redirects (%d) to %s; redirects are not followed, so enrol "
                "with the final address" % (self.status, self.location or "somewhere else")
            )
        if self.body is None or self.code() is None:
            return (
                "something answered %d that is not a Moorage server; check the address, and "
                "whether a proxy or a sign-in page stands in between" % self.status
            )
        detail = str(self.body.get("detail", ""))[:300]
        return ("the server answered %d %s" % (self.status, detail)).strip()


class Transport:
    """Connections to a server. One of these belongs to one thread."""

    def __init__(
        self,
        server: str,
        *,
        ca_pem: Optional[str] = None,
        pin: Optional[str] = None,
        hosts: Optional[addresses.Hosts] = None,
    ) -> None:
        """Keep the address. ``ca_pem``: certificates to trust, as text.

        ``hosts``: where names are that no DNS knows, of the server and of proxies.

        Raises:
            ValueError: the address, the certificates or the pin is none.

        """
        parts = _parse_server(server)
        self._tls = parts.scheme == "https"
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if self._tls else 80)
        self._prefix = parts.path.rstrip("/")
        self._hosts = hosts or {}
        if pin is not None and not self._tls:
            raise ValueError("a pin is of a certificate: the server's address must be https://")
        self._secured = secured.Secured(ca_pem=ca_pem, pin=pin) if self._tls else None
        self._connection: Optional[http.client.HTTPConnection] = None
        self._used_at = 0.0
        # Of a file that is asked for: it may be larger than other answers, and take longer.
        self.expects_bytes = 0
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
        try:
            host, port = self._first_hop(self._proxy())
            found = addresses.resolve(host, port, self._hosts)[0]
            with socket.socket(found.family, socket.SOCK_DGRAM) as sock:
                sock.connect(found.address)
                self.local_address = str(sock.getsockname()[0])
        except (OSError, ValueError):
            return

    def _once(
        self, method: str, path: str, body: Optional[bytes], headers: Dict[str, str]
    ) -> Answer:
        if self._connection is None:
            self._connection = self._connect()
        connection = self._connection
        # One time-out bounds all of a sendall; and what it left in this machine's buffers is on its
        # way still while the answer is waited for.
        silent_s = ANSWER_WITHIN_S + len(body or b"") / _SLOW_LINE_BYTES_PER_S
        connection.sock.settimeout(silent_s)
        with _within(silent_s + self.expects_bytes / _SLOW_LINE_BYTES_PER_S, connection.sock):
            connection.request(method, self._target(path), body, self._with_proxy(headers))
            response = connection.getresponse()
            most = max(_LONGEST_ANSWER, self.expects_bytes + 1)
            content = response.read(most)
            if response.length and len(content) < most:
                # Asked for so many bytes, it says nothing of an answer that ends before.
                raise http.client.IncompleteRead(content, response.length)
        self._used_at = time.monotonic()
        if response.will_close or not response.isclosed():
            self.close()
        proxy = self._proxy()
        if response.status == _PROXY_WANTS_LOGIN and proxy is not None:
            raise _ProxyRefused(_login_wanted(proxy))
        return Answer(
            response.status,
            _json(content),
            _seconds(response.getheader("Retry-After")),
            response.getheader("Location"),
            content if self.expects_bytes else b"",
        )

    def _proxy(self) -> Optional[proxies.Proxy]:
        return proxies.find("https" if self._tls else "http", self._host, self._port)

    def _first_hop(self, proxy: Optional[proxies.Proxy]) -> Tuple[str, int]:
        return (proxy.host, proxy.port) if proxy else (self._host, self._port)

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
        host, port = self._first_hop(proxy)
        sock = addresses.connect(host, port, self._hosts, CONNECT_WITHIN_S)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.local_address = str(sock.getsockname()[0])
            connection = http.client.HTTPConnection(self._host, self._port)
            if self._secured is not None:
                # Only so that the header Host leaves the port out where it goes without saying.
                connection.default_port = 443
                if proxy is not None:
                    with _within(2 * CONNECT_WITHIN_S, sock):
                        _tunnel(sock, self._host, self._port, proxy)
                sock = tls = self._secured.around(sock, self._host)
                with _within(2 * CONNECT_WITHIN_S, tls):
                    self._secured.greet(tls)
        except BaseException:
            sock.close()
            raise
        connection.sock, connection.auto_open = sock, 0
        return connection


class _ProxyRefused(OSError):
    """A proxy does not let this through; the text says why."""


@contextmanager
def _within(seconds: float, sock: socket.socket) -> Iterator[None]:
    """Have what is done with a socket end in time, whatever its own time-out is.

    That one begins anew with each piece that is received: a trickle would hold the lane for ever.
    Raises socket.timeout.
    """
    expired = threading.Event()
    watch = threading.Timer(seconds, _cut, (sock, expired))
    watch.daemon = True
    watch.start()
    try:
        yield
    except (OSError, ValueError, http.client.HTTPException):
        if expired.is_set():
            raise socket.timeout from None
        raise
    finally:
        watch.cancel()
    if expired.is_set():
        raise socket.timeout


def _cut(sock: socket.socket, expired: threading.Event) -> None:
    expired.set()
    try:
        # Not an SSL socket's own shutdown: that one is not for two threads.
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
    except OSError:
        return


def _tunnel(sock: socket.socket, host: str, port: int, proxy: proxies.Proxy) -> None:
    """Have the proxy connect this socket with the server. Raises OSError or HTTPException."""
    place = _authority(host, port)
    headers = {"Host": place, **proxy.headers}
    lines = ["CONNECT %s HTTP/1.1" % place, *("%s: %s" % pair for pair in headers.items())]
    sock.sendall(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
    response = http.client.HTTPResponse(sock, method="CONNECT")
    try:
        response.begin()
    finally:
        response.close()
    if response.status == _PROXY_WANTS_LOGIN:
        raise _ProxyRefused(_login_wanted(proxy))
    if not 200 <= response.status < 300:
        raise _ProxyRefused(
            "the proxy %s does not connect to %s: it answers %d %s"
            % (_authority(proxy.host, proxy.port), place, response.status, response.reason[:100])
        )


def _login_wanted(proxy: proxies.Proxy) -> str:
    given = "the one in %s is not taken" if proxy.headers else "give one in %s"
    return "the proxy %s asks for a login: %s (http://USER:PASSWORD@HOST:PORT)" % (
        _authority(proxy.host, proxy.port),
        given % proxy.variable,
    )


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
    if "%" in parts.hostname:
        raise ValueError(
            "an address with a zone (%) is of this machine only and stands in no certificate; "
            "enrol with a name, and with --host NAME=fe80::1%eth0"
        )
    return parts


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
    if isinstance(error, ssl.SSLError) and not isinstance(error, socket.timeout):
        return secured.reason(error, host)
    for kind, said in _REASONS:
        if isinstance(error, kind):
            return said or str(error)[:300]
    if isinstance(error, http.client.HTTPException):
        return "what answers is no HTTP server: %s" % (str(error)[:200] or type(error).__name__)
    return "%s: %s" % (type(error).__name__, error)


# What is said of errors; those of ours, and of ValueError, say it themselves.
_REASONS: Tuple[Tuple[Type[Exception], str], ...] = (
    (addresses.Unresolved, ""),
    (addresses.Unconnected, ""),
    (_ProxyRefused, ""),
    (socket.timeout, "the server did not answer in time"),
    (ConnectionRefusedError, "nothing listens at the server's address"),
    (ConnectionError, "the connection broke off before there was an answer"),
    (http.client.IncompleteRead, "the connection broke off in the middle of an answer"),
    (ValueError, ""),
)

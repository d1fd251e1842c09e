"""MJPEG over HTTP, without anything beside Python: one connection, its pictures as they come."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
from typing import Dict, List, Optional, Tuple, Type

from moorage_agent import probe_login
from moorage_agent.pictures import Malformed, Parts
from moorage_agent.runner_base import RunnerError, Unreachable
from moorage_agent.runner_secrets import Source

_CONNECT_WITHIN_S = 4.0
_PICTURE_WITHIN_S = 15.0
_CHUNK = 65536
_MOST_EMPTY_READS = 4096


class Pictures:
    """Pictures of one camera. Belongs to one thread; ``interrupt`` is for others."""

    def __init__(self, source: Source, *, tls_verify: bool) -> None:
        """``tls_verify``: whether its certificate must be one that this machine trusts."""
        self._source = source
        self._tls_verify = tls_verify
        self._guard = threading.Lock()
        self._interrupted = False
        self._sock: Optional[socket.socket] = None
        self._connection: Optional[http.client.HTTPConnection] = None
        self._response: Optional[http.client.HTTPResponse] = None
        self._parts: Optional[Parts] = None

    def open(self) -> None:
        """Connect and ask. Raises RunnerError."""
        try:
            self._open()
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._explained(error) from None

    def read(self) -> List[bytes]:
        """Return the JPEGs that came; wait for some bytes at least. Raises RunnerError."""
        if self._response is None or self._parts is None:
            raise Unreachable("there is no connection to %s" % self._source.place())
        try:
            data = self._response.read1(_CHUNK)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._explained(error) from None
        if not data:
            raise Unreachable("%s closed the connection" % self._source.place())
        try:
            return self._parts.feed(data)
        except Malformed as error:
            raise RunnerError("%s sends no MJPEG: %s" % (self._source.place(), error)) from None

    def first(self) -> bytes:
        """Return the first JPEG. Raises RunnerError."""
        for _ in range(_MOST_EMPTY_READS):
            found = self.read()
            if found:
                return found[0]
        raise RunnerError("%s sends no JPEG" % self._source.place())

    def interrupt(self) -> None:
        """Have whatever waits for the camera fail now; from any thread."""
        with self._guard:
            self._interrupted = True
            if self._sock is not None:
                with contextlib.suppress(OSError):
                    # Not an SSL socket's own shutdown: that one is not for two threads.
                    socket.socket.shutdown(self._sock, socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection."""
        with self._guard:
            self._sock = None
        if self._response is not None:
            self._response.close()
        if self._connection is not None:
            self._connection.close()
        self._response = self._connection = None

    def _open(self) -> None:
        response = self._asked({})
        if response.status == 401 and self._source.user is not None:
            challenges = response.headers.get_all("WWW-Authenticate") or []
            proof = probe_login.answer(
                challenges,
                self._source.user,
                self._source.password or "",
                method="GET",
                target=self._target(),
            )
            if proof is not None:
                response = self._asked({"Authorization": proof})
        problem = _problem(response, asked_as=self._source.user)
        if problem is not None:
            raise RunnerError("%s %s" % (self._source.place(), problem))
        self._parts = Parts(_boundary(response))

    def _asked(self, headers: Dict[str, str]) -> http.client.HTTPResponse:
        self.close()
        connection = self._connection = self._connect()
        connection.connect()
        connection.sock.settimeout(_PICTURE_WITHIN_S)
        with self._guard:
            if self._interrupted:
                raise Unreachable("it is to end")
            # Kept here, too: http.client gives it away to an answer without an end.
            self._sock = connection.sock
        connection.request("GET", self._target(), headers={"Accept": "*/*", **headers})
        self._response = connection.getresponse()
        return self._response

    def _connect(self) -> http.client.HTTPConnection:
        host, port = self._source.host, self._source.port
        if self._source.scheme == "http":
            return http.client.HTTPConnection(host, port or 80, timeout=_CONNECT_WITHIN_S)
        context = ssl.create_default_context()
        if not self._tls_verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return http.client.HTTPSConnection(
            host, port or 443, timeout=_CONNECT_WITHIN_S, context=context
        )

    def _target(self) -> str:
        rest = self._source.url.split("://", 1)[1]
        at = min((rest.find(mark) for mark in "/?" if mark in rest), default=-1)
        target = "" if at < 0 else rest[at:].partition("#")[0]
        return target if target.startswith("/") else "/" + target

    def _explained(self, error: Exception) -> RunnerError:
        place = self._source.place()
        if isinstance(error, ssl.SSLError):
            return RunnerError(
                "TLS with %s failed: %s; a camera with a certificate of its own making needs "
                '"tls_verify": false' % (place, error.reason or "no certificate to trust")
            )
        for kind, meaning in _MEANINGS:
            if isinstance(error, kind):
                return Unreachable(meaning % place)
        if isinstance(error, OSError):
            return Unreachable("there is no way to %s: %s" % (place, error.strerror or "no answer"))
        return RunnerError("%s does not speak HTTP: %s" % (place, type(error).__name__))


_MEANINGS: Tuple[Tuple[Type[Exception], str], ...] = (
    (socket.gaierror, "the name of %s cannot be resolved; check the network's DNS"),
    (socket.timeout, "%s does not answer"),
    (ConnectionRefusedError, "%s refuses connections: nothing listens there"),
    (http.client.RemoteDisconnected, "%s closed the connection"),
    (ConnectionError, "%s closed the connection"),
)


def _boundary(response: http.client.HTTPResponse) -> str:
    told = response.headers.get_param("boundary")
    return told if isinstance(told, str) else ""


def _problem(response: http.client.HTTPResponse, *, asked_as: Optional[str]) -> Optional[str]:
    """Return what of an answer is no MJPEG."""
    status, kind = response.status, response.headers.get_content_type()
    if status == 200:
        if kind.startswith("multipart/") and _boundary(response):
            return None
        if kind == "image/jpeg":
            return "answers with one picture and no more; give the address of its MJPEG"
        return "answers with %s, and not with MJPEG (multipart/x-mixed-replace)" % kind[:80]
    if status in (401, 403):
        asks = "refuses the user and password" if asked_as else "wants a user and a password"
        return "%s (%d)" % (asks, status)
    if 300 <= status < 400:
        return "redirects (%d); give the address where that leads" % status
    return "knows no such path (404)" if status == 404 else "answers %d" % status

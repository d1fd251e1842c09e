"""The Docker Engine's API over its Unix socket: requests, and the texts of its errors.

Addresses have no version, which stands for the engine's newest: engines refuse old ones over time.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import re
import socket
import time
import urllib.parse
from typing import IO, Any, Dict, Iterator, Optional, Tuple, Union

from moorage_agent.drivers import DriverError

_DEFAULT_SOCKETS = ("/var/run/docker.sock", "/run/docker.sock")
_ANSWER_WITHIN_S = 60.0
# A pull may be silent for long while a layer is unpacked.
_PROGRESS_WITHIN_S = 600.0
# A machine that boots starts the agent before its engine.
_THERE_WITHIN_S = 20.0
_MOST_BYTES = 16 * 1024 * 1024


class EngineRefused(DriverError):
    """The engine said no. ``status`` is that of its answer."""

    def __init__(self, status: int, text: str, *, again: bool = False) -> None:
        """Keep both."""
        super().__init__(text, again=again)
        self.status = status


def socket_path() -> str:
    """Return where the engine's socket is, or would be."""
    told = os.environ.get("DOCKER_HOST", "")
    if told.startswith("unix://"):
        return told[len("unix://") :]
    there = [path for path in _DEFAULT_SOCKETS if os.path.exists(path)]
    return there[0] if there else _DEFAULT_SOCKETS[0]


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("engine", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Engine:
    """One engine. Every call has its own connection, so that threads need not wait."""

    def __init__(self, path: Optional[str] = None) -> None:
        """``path`` of its socket; without it the usual place, looked for at each call."""
        self._path = path

    @property
    def path(self) -> str:
        """Where its socket is."""
        return self._path or socket_path()

    def is_there(self) -> bool:
        """Whether there is a socket; the engine may still be down."""
        return os.path.exists(self.path)

    def wait(self) -> None:
        """Wait a while for it to answer. Raises DriverError."""
        deadline = time.monotonic() + _THERE_WITHIN_S
        while True:
            try:
                self.call("GET", "/_ping")
            except DriverError:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(0.5)
            else:
                return

    def call(  # noqa: PLR0913 - the parts of a request
        self,
        method: str,
        path: str,
        body: Optional[Dict[str, Any]] = None,
        *,
        query: Optional[Dict[str, Any]] = None,
        auth: Optional[Dict[str, str]] = None,
        within_s: float = _ANSWER_WITHIN_S,
    ) -> Any:
        """Ask; return the answer's JSON, or its bytes when it is none.

        Raises:
            EngineRefused: it said no.
            DriverError: it cannot be reached, which may be over soon.

        """
        content = None if body is None else json.dumps(body).encode("utf-8")
        headers = {"Content-Type": "application/json"}
        connection, answer = self._ask(method, path, content, headers, query, auth, within_s)
        try:
            data = answer.read(_MOST_BYTES)
            is_json = "json" in (answer.getheader("Content-Type") or "")
            return json.loads(data) if data and is_json else data
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._away(error) from None
        finally:
            connection.close()

    def progress(
        self,
        path: str,
        *,
        query: Optional[Dict[str, Any]] = None,
        auth: Optional[Dict[str, str]] = None,
        file: Optional[IO[bytes]] = None,
    ) -> Iterator[Dict[str, Any]]:
        """POST what takes long; yield what it says of its progress, each an object.

        Raises:
            DriverError: as ``call``, and what it says went wrong on the way.

        """
        headers = {"Content-Type": "application/x-tar"}
        connection, answer = self._ask("POST", path, file, headers, query, auth, _PROGRESS_WITHIN_S)
        try:
            for line in answer:
                told = json.loads(line) if line.strip() else {}
                if "error" in told:
                    raise _told_wrong(200, str(told["error"]))
                yield told
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._away(error) from None
        finally:
            connection.close()

    def _ask(  # noqa: PLR0913 - the parts of a request
        self,
        method: str,
        path: str,
        content: Union[bytes, IO[bytes], None],
        headers: Dict[str, str],
        query: Optional[Dict[str, Any]],
        auth: Optional[Dict[str, str]],
        within_s: float,
    ) -> Tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        if query:
            path += "?" + urllib.parse.urlencode(query)
        if auth is not None:
            headers["X-Registry-Auth"] = encoded(auth)
        connection = _Connection(self.path, within_s)
        try:
            chunked = content is not None and not isinstance(content, bytes)
            connection.request(method, path, content, headers, encode_chunked=chunked)
            answer = connection.getresponse()
            if answer.status < 400:
                return connection, answer
            told = answer.read(64 * 1024)
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise self._away(error) from None
        connection.close()
        raise _told_wrong(answer.status, _message(told))

    def _away(self, error: Exception) -> DriverError:
        if not self.is_there():
            text = "there is no Docker Engine on this device (%s is not there)" % self.path
            return DriverError(text)
        return DriverError("the Docker Engine does not answer: %s" % error, again=True)


def encoded(auth: Dict[str, str]) -> str:
    """Return credentials as the engine takes them in a header."""
    return base64.urlsafe_b64encode(json.dumps(auth).encode("utf-8")).decode("ascii")


def _message(told: bytes) -> str:
    try:
        found = json.loads(told)
    except ValueError:
        return told.decode("utf-8", "replace").strip()
    return str(found.get("message", found)) if isinstance(found, dict) else str(found)


# What the engine passes on from networks and registries that may be over by itself. Figures alone
# say nothing: ports and digests hold them too.
_PASSING = re.compile(
    r"timeout|timed out|connection refused|connection reset|no such host|temporary failure"
    r"|network is unreachable|no route to host|\beof$|toomanyrequests"
    r"|http(?: status)?:? (?:429|50[0234])|50[234] (?:bad gateway|service |gateway )",
    re.IGNORECASE,
)


def _told_wrong(status: int, text: str) -> EngineRefused:
    return EngineRefused(status, text, again=_PASSING.search(text) is not None)


def free_bytes(engine: Engine) -> Optional[int]:
    """Return the room where an engine keeps images, or None when it is not to be seen from here."""
    try:
        disk = os.statvfs(str(engine.call("GET", "/info")["DockerRootDir"]))
    except (OSError, KeyError):
        return None
    return disk.f_bavail * disk.f_frsize

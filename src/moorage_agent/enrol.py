"""Redeeming a token: the agent brings its own key, so a lost answer costs nothing."""

from __future__ import annotations

import json
import platform
import random
import socket
import time
import uuid
from http.client import HTTPConnection
from typing import Any, Dict, Optional

from moorage_agent import __version__, keytext
from moorage_agent.store import Store
from moorage_agent.transport import Answer, Transport, Unreachable

_TRIES = 6
_DOCKER_SOCKET = "/var/run/docker.sock"


class NotEnrolled(Exception):
    """The server said no, or nothing; the text says what to do next."""


def enrol(
    store: Store, transport: Transport, *, server: str, token: str, name: Optional[str] = None
) -> Dict[str, Any]:
    """Redeem the token and remember what was answered.

    The proposed key is on disk before it is sent; it becomes the agent's key with the answer.

    Raises:
        NotEnrolled: it did not work; trying again with the same token is safe.
        ValueError: the token is mistyped.

    """
    kind = keytext.kind_of(token)
    key = store.get("proposed_key")
    if key is None:
        key = keytext.new_device_key()
        store.put(proposed_key=key)
    body: Dict[str, Any] = {"device_key": key, "device": _about(name)}
    if kind == "apt":
        body["provisioning_token"] = token
        body["device"]["device_id"] = _external_id(store)
    else:
        body["install_token"] = token
    answer = _ask(transport, json.dumps(body).encode("utf-8"))
    if answer.status == 401:
        # Spent by another key, unknown or expired: a later token shall start with a fresh key.
        store.put(proposed_key=None)
    if answer.status != 200 or answer.body is None or "device_id" not in answer.body:
        raise NotEnrolled(_explain(answer))
    told = answer.body
    same = store.get("device_id") in (None, told["device_id"])
    if not same:
        store.forget_reports()
    store.put(
        key=key,
        proposed_key=None,
        server=server,
        device_id=str(told["device_id"]),
        workspace=str(told.get("workspace", "")),
        interval_s=str(told.get("report_interval_s", 30)),
        retired=None,
        last_error=None,
    )
    return told


def _ask(transport: Transport, body: bytes) -> Answer:
    pause = 1.0
    for attempt in range(_TRIES):
        try:
            answer = transport.post("/v1/enroll", body)
        except Unreachable as error:
            if attempt == _TRIES - 1:
                raise NotEnrolled("the server cannot be reached: %s" % error) from error
        else:
            if answer.status not in (429, 502, 503, 504) or attempt == _TRIES - 1:
                return answer
        time.sleep(random.uniform(0, pause))
        pause = min(pause * 2, 10.0)
    raise AssertionError("unreachable")


def _about(name: Optional[str]) -> Dict[str, Any]:
    about = {"agent_version": __version__, "hostname": platform.node()[:256]}
    if name:
        about["name"] = name[:256]
    return about


def _external_id(store: Store) -> str:
    known = store.get("external_id") or _docker_id() or str(uuid.uuid4())
    store.put(external_id=known)
    return known


class _DockerConnection(HTTPConnection):
    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(3)
        self.sock.connect(_DOCKER_SOCKET)


def _docker_id() -> Optional[str]:
    """Return the Docker daemon's id when it answers."""
    connection = _DockerConnection("localhost")
    try:
        connection.request("GET", "/info")
        found = json.loads(connection.getresponse().read(1 << 20).decode("utf-8")).get("ID")
    except (OSError, ValueError, AttributeError):
        return None
    finally:
        connection.close()
    return str(found) if found else None


def _explain(answer: Answer) -> str:
    detail = str((answer.body or {}).get("detail", ""))
    if answer.body is None:
        return (
            "something answered %d that is not a Moorage server; check --server, and whether a "
            "proxy or a sign-in page stands in between" % answer.status
        )
    return "the server refused (%d): %s" % (answer.status, detail or "no reason given")

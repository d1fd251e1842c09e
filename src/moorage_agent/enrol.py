"""Redeeming a token: the agent brings its own key, so a lost answer costs nothing."""

from __future__ import annotations

import hashlib
import json
import platform
import random
import socket
import time
import uuid
from http.client import HTTPConnection
from typing import Any, Dict, NamedTuple, Optional, Tuple

from moorage_agent import __version__, keytext
from moorage_agent.store import Store
from moorage_agent.transport import Answer, Transport, Unreachable

_TRIES = 6
_LONGEST_PAUSE_S = 30.0
_TRY_AGAIN = (429, 500, 502, 503, 504)
_DOCKER_SOCKET = "/var/run/docker.sock"


class NotEnrolled(Exception):
    """The server said no, or nothing; the text says what to do next."""


class Trust(NamedTuple):
    """How the server proves that it is the one: certificates (PEM text), or a pin, or neither."""

    ca_pem: Optional[str] = None
    pin: Optional[str] = None


class Home(NamedTuple):
    """The address that a device is away from while it fails, and how it is known there."""

    url: str
    trust: Trust

    def text(self) -> str:
        """Write it down."""
        return json.dumps([self.url, list(self.trust)])


class Pending(NamedTuple):
    """What a device was set up with that has not met its server yet."""

    server: str
    token: str
    trust: Trust

    def text(self) -> str:
        """Write it down."""
        return json.dumps([self.server, self.token, list(self.trust)])


def is_enrolled(store: Store, server: str, token: Optional[str]) -> bool:
    """Whether there is nothing to redeem: enrolled there, and no token or the one used for it.

    An installer that is run again brings the token it brought before, spent by now.
    """
    away_from = home(store)
    servers = (store.get("server"), None if away_from is None else away_from.url)
    if store.get("key") is None or server not in servers or store.get("retired"):
        return False
    return token is None or _digest(token) == store.get("redeemed_token")


def enrol(  # noqa: PLR0913 - what a person may say about enrolling
    store: Store,
    transport: Transport,
    *,
    server: str,
    token: str,
    name: Optional[str] = None,
    trust: Trust = Trust(),  # noqa: B008 - immutable
) -> Dict[str, Any]:
    """Redeem the token and remember what was answered.

    The proposed key is on disk before it is sent; it becomes the agent's key with the answer.

    Raises:
        NotEnrolled: it did not work; trying again with the same token is safe.
        ValueError: the token is mistyped.

    """
    key, body = request(store, token, name)
    answer = _ask(transport, body)
    told = answer.body or {}
    if answer.status != 200 or not told.get("device_id"):
        raise NotEnrolled(_explain(answer))
    remember(store, told, Pending(server, token, trust), key)
    return told


def request(store: Store, token: str, name: Optional[str] = None) -> Tuple[str, bytes]:
    """Return the key to propose, which is on disk by now, and the body that redeems the token.

    Raises:
        ValueError: the token is mistyped.

    """
    kind = keytext.kind_of(token)
    key = _proposed_key(store, token)
    body: Dict[str, Any] = {"device_key": key, "device": _about(name)}
    if kind == "apt":
        body["provisioning_token"] = token
        body["device"]["device_id"] = _external_id(store)
    elif kind == "inst":
        body["install_token"] = token
    else:
        raise ValueError("this is a device's key; enrolling takes an inst_ or apt_ token")
    return key, json.dumps(body).encode("utf-8")


def remember(store: Store, told: Dict[str, Any], by: Pending, proposed_key: str) -> None:
    """Remember what the server answered; the key that was proposed is the agent's from now on.

    All at once: there is no state between not enrolled and enrolled.
    """
    device_id = str(told["device_id"])
    store.enrolled(
        anew=store.get("device_id") not in (None, device_id),
        key=_given_key(told) or proposed_key,
        proposed_key=None,
        proposed_for=None,
        redeemed_token=_digest(by.token),
        # The address that was given, not the one in the answer: a key goes where its owner says.
        server=by.server,
        device_id=device_id,
        workspace=str(told.get("workspace", "")),
        interval_s=str(told.get("report_interval_s", 30)),
        pending=None,
        home=None,
        retired=None,
        last_error=None,
        **by.trust._asdict(),
    )


def home(store: Store) -> Optional[Home]:
    """Return the address to go back to, if the device is away from it."""
    text = store.get("home")
    if text is None:
        return None
    url, trust = json.loads(text)
    return Home(url, Trust(*trust))


def pending(store: Store) -> Optional[Pending]:
    """Return what waits for the first contact, if anything does."""
    text = store.get("pending")
    if text is None:
        return None
    server, token, trust = json.loads(text)
    return Pending(server, token, Trust(*trust))


def set_up(store: Store, wanted: Pending, interval_s: Optional[float]) -> None:
    """Have the agent enrol at its first contact. For a device without a key, or a deleted one."""
    values: Dict[str, Optional[str]] = {"pending": wanted.text(), "key": None, "retired": None}
    if interval_s is not None:
        values["interval_s"] = str(interval_s)
    store.put(last_error=None, **values)


def _proposed_key(store: Store, token: str) -> str:
    """Return the key to propose with this token, the same one each time, on disk.

    It stays with its token whatever is answered: the token may have been redeemed with it.
    """
    key, made_for = store.get("proposed_key"), store.get("proposed_for")
    if key is None or made_for not in (None, _digest(token)):
        key = keytext.new_device_key()
    store.put(proposed_key=key, proposed_for=_digest(token))
    return key


def _given_key(told: Dict[str, Any]) -> Optional[str]:
    """Return the key of an answer that gives another than the proposed one."""
    try:
        given = str(told.get("device_key"))
        return given if keytext.kind_of(given) == "adk" else None
    except ValueError:
        return None


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8")).hexdigest()


def _ask(transport: Transport, body: bytes) -> Answer:
    longest = 1.0
    for attempt in range(_TRIES):
        wish = 0.0
        last = attempt == _TRIES - 1
        try:
            answer = transport.post("/v1/enroll", body)
        except Unreachable as error:
            if last:
                raise NotEnrolled("the server cannot be reached: %s" % error) from error
        else:
            if answer.status not in _TRY_AGAIN or last:
                return answer
            wish = answer.retry_after_s or 0.0
        time.sleep(min(wish + random.uniform(0, longest), _LONGEST_PAUSE_S))
        longest = min(longest * 2, 10.0)
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
    text = answer.explained()
    if (answer.body or {}).get("code") in ("token_invalid", "token_expired"):
        text += "; ask the owner of the device for a fresh token"
    return keytext.redacted(text)

"""The signed payload that sets a device up without a network: text, QR code or ``device.json``.

Only what the server's key has signed is believed; what ``device.json`` repeats beside it is for
people. Pure but for reading the files it is given.
"""

from __future__ import annotations

import json
from typing import Any, Dict, NamedTuple, Optional

from moorage_agent import clock, keytext, signed

_MARK = "MRG1"
_LARGEST_FILE = 64 * 1024
_NO_KEY = (
    "is not a server key: that is 43 letters and digits (base64url of 32 bytes), or a file that "
    "holds them; GET /v1/server-key on the server says it"
)


class Payload(NamedTuple):
    """What a server said about a device, signed. Times are seconds since 1970."""

    server: str
    device_id: str
    workspace: str
    name: str
    secret: str
    issued_at: int
    expires_at: int
    report_interval_s: Optional[float]


def server_key(given: Optional[str]) -> bytes:
    """Return the server's public key from its text, or from a file with it or its JSON answer.

    Raises:
        ValueError: it is none, or was not given.
        OSError: the file cannot be read.

    """
    if not given:
        raise ValueError(
            "a payload is believed only when the server signed it: give the server's public key "
            "with --server-key (or MOORAGE_SERVER_KEY), as text or file; GET /v1/server-key on "
            "the server says it"
        )
    text = given.strip()
    if not signed.is_like_key(text):
        text = _key_in(_read(given))
    key = signed.key_of(text)
    if key is None:
        raise ValueError("what was given with --server-key " + _NO_KEY)
    return key


def in_file(path: str) -> str:
    """Return the payload in a ``device.json``. Raises ValueError or OSError."""
    try:
        payload = json.loads(_read(path))["payload"]
    except (ValueError, RecursionError, TypeError, KeyError):
        payload = None
    if isinstance(payload, str):
        return payload
    raise ValueError("the file is no device.json: it holds no payload")


def verified(text: str, key: bytes, now: float) -> Payload:
    """Return what a payload says, once its signature is checked.

    ``now`` is this device's clock, which may be wrong. A clock before the time of signing is: the
    payload is here, so it was signed. Such a clock says nothing about the expiry, and the payload
    is taken; its server knows the time and has the last word when the device enrols.

    Raises:
        ValueError: it is no payload, not this server's, or expired; no secret is repeated.

    """
    found = signed.parsed(text, _MARK)
    if found is None:
        raise ValueError("this is no payload: that begins with %s. and has two more parts" % _MARK)
    if not found.is_by(key):
        raise ValueError(
            "the payload's signature is not by the given server key: it was altered or copied "
            "badly, or the key is another server's"
        )
    payload = _payload(found.document())
    if payload.issued_at <= now and payload.expires_at <= now:
        raise ValueError(
            "the payload expired at %s, and this device's clock says %s; ask the owner for a fresh "
            "one, or set the clock if it is wrong"
            % (clock.rfc3339(payload.expires_at), clock.rfc3339(now))
        )
    return payload


def _payload(told: Optional[Dict[str, Any]]) -> Payload:
    if told is None:
        raise ValueError("the payload is of a form that this agent does not know; update the agent")
    payload = Payload(
        server=_text(told, "server").rstrip("/"),
        device_id=_text(told, "device_id"),
        workspace=_text(told, "workspace"),
        name=_text(told, "name"),
        secret=_text(told, "secret"),
        issued_at=_seconds(told, "issued_at"),
        expires_at=_seconds(told, "expires_at"),
        report_interval_s=float(_seconds(told, "report_interval_s"))
        if "report_interval_s" in told
        else None,
    )
    try:
        right = keytext.kind_of(payload.secret) == "inst"
    except ValueError:
        right = False
    if not right:
        raise ValueError("the payload's secret is no install token")
    return payload


def _text(told: Dict[str, Any], name: str) -> str:
    value = told.get(name)
    if not isinstance(value, str) or not value.isprintable() or not value:
        raise ValueError("the payload's %s is missing or no text" % name)
    return value


def _seconds(told: Dict[str, Any], name: str) -> int:
    value = told.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 2**53:
        raise ValueError("the payload's %s is missing or no whole number of seconds" % name)
    return value


def _key_in(content: str) -> str:
    """Return the key in a file: the text alone, or the answer of GET /v1/server-key."""
    try:
        told = json.loads(content)
    except (ValueError, RecursionError):
        return content.strip()
    return str(told.get("public_key")) if isinstance(told, dict) else ""


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read(_LARGEST_FILE)

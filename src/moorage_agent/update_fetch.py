"""Bringing the server's agent to this device, up to where it has run once and said its version.

All of it in a thread of its own: nothing here touches the store, and nothing that runs.
"""

from __future__ import annotations

import hashlib
import os
from typing import Any, Callable, NamedTuple, Optional

from moorage_agent import __version__, facts, installed, server_keys, update_offer
from moorage_agent.installed import App
from moorage_agent.transport import Answer, Transport, Unreachable
from moorage_agent.update_offer import Offer, Running, Wanted

_STARTS_WITHIN_S = 60.0
# What must be left on the disk beside the file and its predecessor.
_ROOM_BYTES = 4 * 1024 * 1024


class Refused(Exception):
    """There is no update, and why; ``seriously``: something is wrong, rather than not there."""

    def __init__(self, reason: str, *, seriously: bool = True) -> None:
        """Keep both."""
        super().__init__(reason)
        self.seriously = seriously


class Asked(NamedTuple):
    """An update that is wanted: by a command, or, without one, because config wants it so.

    ``key`` is this device's, ``server_key`` its server's, as far as it is known; ``tried`` are the
    digests of what was tried by itself and went back.
    """

    command_id: Optional[str]
    wanted: Wanted
    key: str
    server_key: Optional[bytes]
    tried: Any = ()


class Fetched(NamedTuple):
    """A newer agent is beside the present one and can be started."""

    asked: Asked
    offer: Offer


class Nothing(NamedTuple):
    """Nothing was brought. ``reason`` says why; None: what runs is what there is."""

    asked: Asked
    reason: Optional[str]
    seriously: bool


class LearnedKey(NamedTuple):
    """The server said its public key, which was not known yet."""

    server: str
    key: bytes


def fetch(app: App, transport: Transport, asked: Asked, learned: Callable[[bytes], None]) -> Any:
    """Return ``Fetched`` or ``Nothing``; ``learned`` is told a server's key that was not known."""
    try:
        offer = _brought(app, transport, asked, learned)
    except Refused as refused:
        return Nothing(asked, str(refused), seriously=refused.seriously)
    except Unreachable as error:
        reason = "the server cannot be asked for its agent: %s" % error
        return Nothing(asked, reason, seriously=False)
    except (OSError, ValueError) as error:
        return Nothing(asked, str(error), seriously=True)
    finally:
        transport.close()
    return Nothing(asked, None, seriously=False) if offer is None else Fetched(asked, offer)


def _brought(
    app: App, transport: Transport, asked: Asked, learned: Callable[[bytes], None]
) -> Optional[Offer]:
    """Return what is ready now, or None when nothing is to be done."""
    key = asked.server_key
    if key is None:
        key = server_keys.ask(transport)
        if key is None:
            raise Refused("the server does not say its public key", seriously=False)
        learned(key)
    answer = transport.request("GET", "/v1/agent", b"", _headers(asked))
    if answer.status != 200 or answer.body is None:
        raise Refused("no agent from the server: " + answer.explained(), seriously=False)
    offer = update_offer.offer_of(answer.body, key)
    running = Running(__version__, app.sha256)
    if update_offer.is_same(offer, running):
        return None
    if asked.command_id is None:
        if offer.sha256 in asked.tried or not update_offer.is_newer(offer.version, __version__):
            return None
    else:
        reason = update_offer.why_not(offer, running, asked.wanted)
        if reason is not None:
            raise Refused(reason)
    _check_room(app, offer)
    installed.write_next(app, _content(transport, offer))
    try:
        _start_once(app, offer)
    except Refused:
        installed.discard_next(app)
        raise
    return offer


def _headers(asked: Asked) -> Any:
    return {"Authorization": "Bearer %s" % asked.key}


def _check_room(app: App, offer: Offer) -> None:
    disk = os.statvfs(os.path.dirname(app.path))
    free, needed = disk.f_bavail * disk.f_frsize, 2 * offer.size + _ROOM_BYTES
    if free < needed:
        text = "%d KiB are free beside the agent's file, and an update needs %d"
        raise Refused(text % (free // 1024, needed // 1024))


def _content(transport: Transport, offer: Offer) -> bytes:
    transport.expects_bytes = offer.size
    answer: Answer = transport.request("GET", offer.path, b"", {})
    if answer.status != 200:
        text = "the agent's file cannot be fetched: " + answer.explained()
        raise Refused(text, seriously=False)
    content = answer.content
    if len(content) != offer.size or hashlib.sha256(content).hexdigest() != offer.sha256:
        raise Refused(
            "the file that was fetched is not the one that the server signed (size or SHA-256 "
            "differ); look at what stands between this device and its server"
        )
    return content


def _start_once(app: App, offer: Offer) -> None:
    """See that this machine can run it at all: its Python may be too old for it."""
    program = installed.program_with(app, app.next)
    told = None if program is None else facts.output_of([*program, "version"], _STARTS_WITHIN_S)
    if told is None or told.strip() != offer.version:
        said = "says it is %s" % told.strip()[:50] if told else "does not start here"
        raise Refused("agent %s was fetched, and %s" % (offer.version, said))

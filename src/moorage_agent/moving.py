"""Following a fleet's server to a new address, only once it has answered there.

Until then, and when it does not, the present address stays in use. What waits is sent to the new
one in the same epochs: it is the same server.

Where the present address stays silent, another one of its list takes its place in the same way,
until the one from before, its home, answers again.
"""

from __future__ import annotations

import random
import threading
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

from moorage_agent import enrol, environment, server_keys, servers, signed, update_offer
from moorage_agent.enrol import Home, Trust
from moorage_agent.happenings import happened
from moorage_agent.lanes import Lanes
from moorage_agent.logs import log
from moorage_agent.messages import LIVE, Failed
from moorage_agent.servers import Address
from moorage_agent.store import Store
from moorage_agent.transport import Transport, Unreachable

# The first pause between two tries; each is twice as long as the one before, up to an hour.
EVERY_S = "MOORAGE_AGENT_MOVE_EVERY_S"
_DEFAULT_EVERY_S = 60.0
_LONGEST_S = 3600.0
# For how long the present address has to fail before others are tried; then how often home is.
AWAY_AFTER_S = "MOORAGE_AGENT_AWAY_AFTER_S"
_DEFAULT_AWAY_AFTER_S = 300.0

Reach = Callable[[str, Trust], Transport]


class Tried(NamedTuple):
    """What came of trying the addresses of a list; ``found`` is where the server answered."""

    text: Optional[str]
    found: Optional[Address]
    reason: str


class Answered(NamedTuple):
    """The present server said its public key, or did not."""

    server: str
    key: Optional[bytes]


MESSAGES = (Tried, Answered)


class Mover:
    """Follows the lists of one agent's config. Used by the loop's thread."""

    def __init__(
        self, store: Store, lanes: Lanes, reach: Reach, deliver: Callable[[Any], None]
    ) -> None:
        """``reach`` makes a transport to another address; ``deliver`` takes messages."""
        self._store = store
        self._lanes = lanes
        self._reach = reach
        self._deliver = deliver
        self._text: Optional[str] = None
        self._read = False
        # All that the list names; those to move to, which are none once the present one is in it.
        self._listed: Tuple[Address, ...] = ()
        self._addresses: Tuple[Address, ...] = ()
        self._home = enrol.home(store)
        self._away_after_s = environment.seconds(AWAY_AFTER_S, _DEFAULT_AWAY_AFTER_S, least=0.01)
        self._failing_since: Optional[float] = None
        self._busy = False
        self._due_at = 0.0
        self._failures = 0
        self._said: Optional[str] = None

    def honour(self, settings: Dict[str, Any]) -> None:
        """Take in the list of a config that is in force, if it holds one."""
        text = settings.get("servers")
        if text is None or text == self._text:
            return
        self._text = text if isinstance(text, str) else ""
        self._read, self._listed, self._addresses = False, (), ()
        self._failures, self._due_at = 0, 0.0

    def hear(self, message: Any) -> None:
        """Take note of how the present address answers reports."""
        if getattr(message, "lane", None) != LIVE:
            return
        if not isinstance(message, Failed):
            if self._failing_since is not None and not self._addresses:
                # The next time that it fails is one of its own.
                self._failures, self._due_at = 0, 0.0
            self._failing_since = None
        elif self._failing_since is None:
            self._failing_since = message.now

    def tick(self, now: float) -> None:
        """Look at a list that is new, and try addresses when it is time."""
        waits = self._text is not None and not self._read
        if self._busy or now < self._due_at or not (waits or self._wanted(now)):
            return
        if self._store.get("key") is None:
            return
        if waits:
            # Before the disk is written to: a full one is tried again then, not at every tick,
            # which it would keep from all that comes after this.
            self._pause(now)
            if not self._look():
                return
            self._failures = 0
        wanted = self._wanted(now)
        if wanted:
            self._try(now, wanted)

    def _wanted(self, now: float) -> Tuple[Address, ...]:
        """Return the addresses to go to, the first that answers: the list's, another, or home."""
        if self._addresses:
            return self._addresses
        since, home = self._failing_since, self._home
        if since is not None and now - since >= self._away_after_s:
            present = self._store.get("server")
            return tuple(address for address in self._listed if address.url != present)
        return () if home is None or since is not None else (Address(home.url),)

    def _look(self) -> bool:
        """Read the list, durably; return whether that could be done by now."""
        key = server_keys.known(self._store)
        if key is None:
            self._in_thread(_asker(self._store.get("server") or "", self._lanes.new_transport()))
            return False
        try:
            found = servers.listed(self._text, key)
        except ValueError as error:
            self._refuse(str(error))
            return False
        if found.issued_at < self._followed(key):
            self._refuse("it is older than one that was followed already")
            return False
        home = self._home
        if home is not None and all(address.url != home.url for address in found.addresses):
            home = None
        self._store.put(
            servers_issued_at=str(found.issued_at),
            servers_issued_by=signed.key_text(key),
            home=None if home is None else home.text(),
        )
        self._read, self._listed, self._home = True, found.addresses, home
        present = self._store.get("server")
        there = any(address.url == present for address in found.addresses)
        self._addresses = () if there else found.addresses
        return True

    def _followed(self, key: bytes) -> int:
        """Return when the newest list of this server's that was followed had been issued."""
        by_it = self._store.get("servers_issued_by") == signed.key_text(key)
        return int(self._store.get("servers_issued_at") or 0) if by_it else 0

    def _refuse(self, reason: str) -> None:
        text = "the list of servers is not followed: %s" % reason
        self._store.add([happened("agent.servers_refused", text, {"reason": reason})])
        self._read = True
        log.error("the config's list of servers is not followed: %s", reason)

    def _try(self, now: float, addresses: Sequence[Address]) -> None:
        if self._home is not None and self._failing_since is None:
            self._due_at = now + _spread(self._away_after_s)
        else:
            self._pause(now)
        key, text = server_keys.known(self._store), self._text
        ways: List[Tuple[Address, Transport]] = []
        wrong: List[str] = []
        for address in addresses:
            try:
                ways.append((address, self._way_to(address)))
            except ValueError as error:
                wrong.append("%s: %s" % (address.url, error))
        if key is not None:
            self._in_thread(_trier(text, ways, wrong, key, self._store.get("key") or ""))

    def _way_to(self, address: Address) -> Transport:
        return self._reach(address.url, self._trust(address))

    def _trust(self, address: Address) -> Trust:
        """Return how an address is to prove itself: as the list says, else as the present one's."""
        if self._home is not None and address.url == self._home.url:
            return self._home.trust
        if address.pin is not None or address.ca_pem is not None:
            return Trust(address.ca_pem, address.pin)
        return Trust(self._store.get("ca_pem"), None)

    def _in_thread(self, work: Callable[[], Any]) -> None:
        self._busy = True
        deliver = self._deliver
        threading.Thread(target=lambda: deliver(work()), name="move", daemon=True).start()

    def _pause(self, now: float) -> None:
        every_s = environment.seconds(EVERY_S, _DEFAULT_EVERY_S, least=0.01)
        longest = min(every_s * 2 ** min(self._failures, 10), _LONGEST_S)
        self._due_at = now + _spread(longest)
        self._failures += 1

    def take(self, message: Any) -> None:
        """Take in one of MESSAGES."""
        if isinstance(message, Answered):
            if message.key is not None and message.server == self._store.get("server"):
                server_keys.keep_first(self._store, message.key)
                self._due_at = 0.0
        elif message.text == self._text and self._lanes.is_same_identity():
            if message.found is not None:
                self._go(message.found)
            elif self._addresses:
                self._stay(message.reason)
            else:
                log.info("no other address of the server answers: %s", message.reason)
        self._busy = False

    def _stay(self, reason: str) -> None:
        if reason != self._said:
            text = "the present address stays in use: %s" % reason
            self._store.add([happened("agent.move_failed", text, {"reason": reason})])
            log.warning("the server is not followed to a new address yet: %s", reason)
        self._said = reason

    def _go(self, address: Address) -> None:
        """Go to an address, unless the present one answers again by now and is no worse."""
        if self._addresses:
            self._move(address, None, "the agent reports to %s now" % address.url)
        elif self._home is not None and address.url == self._home.url:
            self._move(address, None, "the agent reports to %s again" % address.url)
        elif self._failing_since is not None:
            before = self._store.get("server") or ""
            trust = Trust(self._store.get("ca_pem"), self._store.get("pin"))
            text = "the agent reports to %s while %s does not answer" % (address.url, before)
            self._move(address, self._home or Home(before, trust), text)

    def _move(self, address: Address, home: Optional[Home], text: str) -> None:
        """Use the new address from here on; a power cut leaves the one or the other."""
        store, trust = self._store, self._trust(address)
        before = store.get("server")
        way = self._way_to(address)
        about = {"from": before, "to": address.url}
        if home is not None:
            about["home"] = home.url
        values = {"home": None if home is None else home.text(), **trust._asdict()}
        with store.transaction():
            store.put(server=address.url, server_key_of=address.url, **values)
            store.add([happened("agent.moved", text, about)])
        self._addresses, self._failures, self._said = (), 0, None
        self._home, self._failing_since = home, None
        self._lanes.use(way.twin)
        log.info("the server is at %s now, after %s", address.url, before)


def _spread(longest_s: float) -> float:
    return longest_s * (0.5 + random.random() / 2)


def transport_to(server: str, trust: Trust) -> Transport:
    """Return the plain way to an address. Raises ValueError."""
    return Transport(server, ca_pem=trust.ca_pem, pin=trust.pin)


def _asker(server: str, transport: Transport) -> Callable[[], Answered]:
    def ask() -> Answered:
        try:
            return Answered(server, server_keys.ask(transport))
        except Exception as error:  # noqa: BLE001 - it must come back, or nothing is tried again
            log.debug("the server does not say its public key: %s", error)
            return Answered(server, None)
        finally:
            transport.close()

    return ask


def _trier(
    text: Optional[str],
    ways: Sequence[Tuple[Address, Transport]],
    wrong: Sequence[str],
    key: bytes,
    device_key: str,
) -> Callable[[], Tried]:
    """Try one after the other; the first that is our server, and knows this device, is it."""

    def try_all() -> Tried:
        reasons = list(wrong)
        for address, transport in ways:
            try:
                reason = _why_not(transport, key, device_key)
            except Unreachable as error:
                reason = str(error)
            except Exception as error:  # noqa: BLE001 - as above
                reason = "%s: %s" % (type(error).__name__, error)
            finally:
                transport.close()
            if reason is None:
                return Tried(text, address, "")
            reasons.append("%s: %s" % (address.url, reason))
        return Tried(text, None, "; ".join(reasons))

    return try_all


def _why_not(transport: Transport, key: bytes, device_key: str) -> Optional[str]:
    """Return why the server there is not ours, or None. It sees no key before its own is right."""
    found = server_keys.ask(transport)
    if found is None:
        return "what answers there says no server's key"
    if found != key:
        return "it is another server: its key is not the one that this device knows"
    headers = {"Authorization": "Bearer %s" % device_key}
    answer = transport.request("GET", "/v1/agent", b"", headers)
    if answer.status != 200 or answer.body is None:
        return answer.explained()
    try:
        update_offer.offer_of(answer.body, key)
    except ValueError as error:
        return str(error)
    return None

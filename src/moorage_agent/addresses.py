"""Where a host is, by the agent's own table or the system's resolver; and connecting to it.

Names in factory networks often stand in no DNS, and addresses of one family often lead nowhere.
"""

from __future__ import annotations

import errno
import json
import os
import re
import selectors
import socket
import time
from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Tuple

# The addresses of names, as the agent's owner gave them. Names are in lower case.
Hosts = Dict[str, List[str]]

# How long an address has for itself before the next is tried beside it (RFC 8305 says 0.25 s).
_HEAD_START_S = 0.3
_MOST_ADDRESSES = 8
_NAME = re.compile(r"[^\s/:@=,%\[\]]{1,253}")
_ZONE = re.compile(r"[A-Za-z0-9_.:-]{1,15}")
_WRONG_ENTRY = (
    "%r is no entry of a table of hosts: that is NAME=ADDRESS, the address as digits, such as "
    "fleet.lan=10.0.0.5 or fleet.lan=fd00::5; NAME= forgets a name"
)


class Unresolved(OSError):
    """A name has no address; the text says what to look at."""


class Unconnected(OSError):
    """None of several addresses answers; the text says of each why."""


class _Endpoint(NamedTuple):
    family: int
    protocol: int
    address: Tuple[Any, ...]


# --- the table


def stored(text: Optional[str]) -> Hosts:
    """Return the table that ``text`` made of it; empty for None."""
    found: Hosts = json.loads(text) if text else {}
    return found


def written(hosts: Hosts) -> Optional[str]:
    """Write a table down; None when it is empty."""
    return json.dumps(hosts, sort_keys=True) if hosts else None


def shown(hosts: Hosts) -> Optional[str]:
    """Return a table as people gave it."""
    entries = ["%s=%s" % (name, one) for name, those in sorted(hosts.items()) for one in those]
    return " ".join(entries) or None


def with_entries(hosts: Hosts, entries: Iterable[str]) -> Hosts:
    """Return the table with entries of the form NAME=ADDRESS.

    A name that is given has the addresses that are given with it, in their order, and no others;
    NAME= alone takes it out.

    Raises:
        ValueError: an entry is none.

    """
    given: Hosts = {}
    for entry in entries:
        name, equals, address = entry.strip().partition("=")
        # An address is where it says, whatever a table has of it.
        if not equals or not _NAME.fullmatch(name) or _is_address(name):
            raise ValueError(_WRONG_ENTRY % entry)
        those = given.setdefault(_key(name), [])
        if address:
            those.append(_checked(address, entry))
    return {name: those for name, those in {**hosts, **given}.items() if those}


def entries_of(value: Optional[str]) -> List[str]:
    """Return the entries that a variable holds, between spaces or commas."""
    return re.split(r"[\s,]+", value.strip(" \t\n,")) if value and value.strip(" \t\n,") else []


def _key(name: str) -> str:
    return name.lower().rstrip(".")


def _checked(address: str, entry: str) -> str:
    bare = address[1:-1] if address.startswith("[") and address.endswith("]") else address
    number, percent, zone = bare.partition("%")
    right = _is_address(number) and (not percent or (":" in number and _ZONE.fullmatch(zone)))
    if not right:
        raise ValueError(_WRONG_ENTRY % entry)
    return bare


def _is_address(text: str) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, text)
        except (OSError, ValueError):
            continue
        return True
    return False


# --- looking up


def resolve(host: str, port: int, hosts: Hosts) -> List[_Endpoint]:
    """Return where a host can be reached, the families by turns, as RFC 8305 has it.

    Raises:
        Unresolved: nowhere that is known.

    """
    known = hosts.get(_key(host))
    flags = socket.AI_NUMERICHOST if known else 0
    found: List[_Endpoint] = []
    for name in known or [host]:
        try:
            told = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM, flags=flags)
        except (socket.gaierror, UnicodeError):
            continue  # a zone that is not there any more, or a name that no DNS can have
        found += [_Endpoint(one[0], one[2], one[4]) for one in told]
    if not found and known:
        raise Unresolved(
            "the table of hosts says %s for %s, which is no address on this machine"
            % (", ".join(known), host)
        )
    if not found:
        raise Unresolved(
            "the name %s cannot be resolved; check the network's DNS, or give the address with "
            "enroll --host %s=ADDRESS" % (host, host)
        )
    return _by_turns(found)[:_MOST_ADDRESSES]


def _by_turns(found: List[_Endpoint]) -> List[_Endpoint]:
    """Return them so that the families alternate, each in its order, beginning with the first's."""
    first = [one for one in found if one.family == found[0].family]
    others = [one for one in found if one.family != found[0].family]
    ordered: List[_Endpoint] = []
    while first or others:
        ordered += first[:1] + others[:1]
        first, others = first[1:], others[1:]
    return ordered


# --- connecting


def connect(host: str, port: int, hosts: Hosts, within_s: float) -> socket.socket:
    """Return a connection to the first address that takes one, all within so many seconds.

    Raises:
        Unresolved: the name has no address.
        Unconnected: none of several addresses took one.
        OSError: the only one did not, or none in time.

    """
    attempts = _Attempts(resolve(host, port, hosts))
    try:
        won = attempts.first(time.monotonic() + within_s)
    finally:
        attempts.close()
    won.settimeout(within_s)
    return won


class _Attempts:
    """Connections on their way, each begun a moment after the one before."""

    def __init__(self, endpoints: List[_Endpoint]) -> None:
        self._left = endpoints
        self._several = len(endpoints) > 1
        self._selector = selectors.DefaultSelector()
        self._failures: List[Tuple[_Endpoint, OSError]] = []
        self._next_at = 0.0

    def first(self, deadline: float) -> socket.socket:
        while True:
            now = time.monotonic()
            if now >= deadline:
                raise self._all_failed(socket.timeout("timed out"))
            if self._left and now >= self._next_at:
                self._begin(self._left.pop(0), now)
                continue
            if not self._under_way():
                raise self._all_failed(None)
            until = min(deadline, self._next_at) if self._left else deadline
            for key, _ in self._selector.select(max(until - now, 0.0)):
                won = self._ended(key)
                if won is not None:
                    return won

    def close(self) -> None:
        for key in list(self._under_way()):
            self._selector.unregister(key.fileobj)
            key.data[1].close()
        self._selector.close()

    def _under_way(self) -> List[selectors.SelectorKey]:
        return list(self._selector.get_map().values())

    def _begin(self, endpoint: _Endpoint, now: float) -> None:
        try:
            sock = socket.socket(endpoint.family, socket.SOCK_STREAM, endpoint.protocol)
        except OSError as error:
            self._failures.append((endpoint, error))  # this machine has no such family
            return
        try:
            sock.settimeout(0.0)
            code = sock.connect_ex(endpoint.address)
        except OSError as error:
            code = error.errno or errno.EINVAL
        if code not in (0, errno.EINPROGRESS):
            sock.close()
            self._failures.append((endpoint, _error(code)))
            return
        self._selector.register(sock, selectors.EVENT_WRITE, (endpoint, sock))
        self._next_at = now + _HEAD_START_S

    def _ended(self, key: selectors.SelectorKey) -> Optional[socket.socket]:
        endpoint, sock = key.data
        self._selector.unregister(sock)
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code == 0:
            found: socket.socket = sock
            return found
        sock.close()
        self._failures.append((endpoint, _error(code)))
        if not self._under_way():
            self._next_at = 0.0  # nothing to wait for
        return None

    def _all_failed(self, late: Optional[OSError]) -> OSError:
        if late is not None:
            self._failures += [(key.data[0], late) for key in self._under_way()]
        if not self._several:
            return self._failures[0][1]
        said = ["%s: %s" % (one.address[0], _why(error)) for one, error in self._failures]
        return Unconnected("no address answers (%s)" % "; ".join(said))


def _error(code: int) -> OSError:
    # An OSError made with its number is of the class that stands for it.
    return OSError(code, os.strerror(code))


def _why(error: OSError) -> str:
    return error.strerror or str(error)

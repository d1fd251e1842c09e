"""Which addresses are never connected to, checked when a connection is made.

A server in a cloud has a metadata service at a link-local address that hands out its credentials to
whoever asks. The check is where the connection is opened, on the very address it is opened to: a
name that answers differently the second time does not get around it.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Iterable
from typing import Any, TypeAlias

import httpcore

_Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

_REFUSED = tuple(
    ipaddress.ip_network(network)
    for network in ("169.254.0.0/16", "fe80::/10", "fd00:ec2::254/128")
)
# Prefixes of IPv6 addresses that stand for an IPv4 address in their last four bytes.
_EMBEDDING = tuple(ipaddress.ip_network(network) for network in ("::/96", "64:ff9b::/96"))


class AddressRefused(httpcore.ConnectError):
    """The address is one that is never connected to."""


def is_refused(text: str) -> bool:
    """Whether an IP address is link-local or a metadata service's, however it is written.

    Raises:
        ValueError: it is no IP address.

    """
    address = ipaddress.ip_address(text.partition("%")[0])
    return any(one in network for one in _forms(address) for network in _REFUSED)


def _forms(address: _Address) -> Iterable[_Address]:
    yield address
    if isinstance(address, ipaddress.IPv4Address):
        return
    for inner in (address.ipv4_mapped, address.sixtofour, *(address.teredo or ())):
        if inner is not None:
            yield inner
    if any(address in network for network in _EMBEDDING):
        yield ipaddress.IPv4Address(address.packed[-4:])


class CheckedNetwork(httpcore.AsyncNetworkBackend):
    """Opens connections to addresses that were looked up and checked here, and to no others."""

    def __init__(self) -> None:
        """Use the usual way to open them."""
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the interface's own
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address of a name that answers.

        Raises:
            AddressRefused: one of the name's addresses is never connected to.
            httpcore.ConnectError: none of them answers, or there are none.
            httpcore.ConnectTimeout: all that took too long.

        """
        try:
            async with asyncio.timeout(timeout):
                return await self._connect(host, port, local_address, socket_options)
        except TimeoutError:
            raise httpcore.ConnectTimeout("it does not answer") from None

    async def _connect(
        self,
        host: str,
        port: int,
        local_address: str | None,
        socket_options: Iterable[Any] | None,
    ) -> httpcore.AsyncNetworkStream:
        last = httpcore.ConnectError("its name has no address")
        for address in await self._addresses(host, port):
            try:
                return await self._inner.connect_tcp(
                    address, port, local_address=local_address, socket_options=socket_options
                )
            except httpcore.ConnectError as error:
                last = error
        raise last

    async def _addresses(self, host: str, port: int) -> list[str]:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise httpcore.ConnectError("its name cannot be looked up") from None
        addresses = list(dict.fromkeys(str(one[4][0]) for one in found))
        if any(is_refused(address) for address in addresses):
            raise AddressRefused("its address is link-local or a cloud's metadata service")
        return addresses

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 - the interface's own
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Refuse: nothing outside is a file."""
        raise AddressRefused(f"{path} is a file, not an address; {timeout=} {socket_options=}")

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)

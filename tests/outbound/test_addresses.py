"""Addresses that are never connected to, however a name comes by them."""

import asyncio
import socket

import httpcore
import httpx
import pytest

from moorage.core.environments import ManagerUnavailable
from moorage.core.errors import DomainError
from moorage.outbound import Portainer, PortainerProxy
from moorage.outbound.addresses import AddressRefused, CheckedNetwork, is_refused
from outbound.conftest import setup_for

LINK_LOCAL = [
    "169.254.169.254",
    "169.254.0.1",
    "169.254.255.255",
    "fe80::1",
    "fe80::1%eth0",
    "febf:ffff::1",
    "fd00:ec2::254",
    "::ffff:169.254.169.254",
    "::ffff:a9fe:a9fe",
    "::169.254.169.254",
    "2002:a9fe:a9fe::1",
    "64:ff9b::169.254.169.254",
]
OTHERS = [
    "127.0.0.1",
    "10.0.0.1",
    "192.168.1.20",
    "169.253.255.255",
    "169.255.0.0",
    "203.0.113.9",
    "::1",
    "fec0::1",
    "fd00:ec2::253",
    "fd12:3456::1",
    "2001:db8::1",
    "::ffff:192.168.1.20",
    "64:ff9b::192.168.1.20",
]


@pytest.mark.parametrize("address", LINK_LOCAL)
def test_link_local_and_metadata_addresses_are_refused_in_every_spelling(address):
    assert is_refused(address)


@pytest.mark.parametrize("address", OTHERS)
def test_other_addresses_are_not(address):
    assert not is_refused(address)


# Spellings of numbers that the resolver of the system understands, too.
@pytest.mark.parametrize(
    "host", ["169.254.169.254", "2852039166", "0xa9fea9fe", "169.16689662", "fe80::1"]
)
async def test_a_literal_is_refused_before_anything_is_sent(host):
    with pytest.raises(AddressRefused):
        await CheckedNetwork().connect_tcp(host, 80, timeout=5)


class Resolver:
    """Answers look-ups of one name from a list, one answer after the other."""

    def __init__(self, monkeypatch, *answers: list[str]) -> None:
        self.asked = 0
        self._answers = answers
        loop = asyncio.get_running_loop()
        monkeypatch.setattr(loop, "getaddrinfo", self._look_up)

    async def _look_up(self, _host, port, **_options):
        answer = self._answers[min(self.asked, len(self._answers) - 1)]
        self.asked += 1
        return [
            (
                socket.AF_INET6 if ":" in address else socket.AF_INET,
                socket.SOCK_STREAM,
                6,
                "",
                (address, port),
            )
            for address in answer
        ]


@pytest.mark.parametrize("address", LINK_LOCAL)
async def test_a_name_with_such_an_address_is_refused(fake, monkeypatch, address):
    Resolver(monkeypatch, ["127.0.0.1", address])
    manager = Portainer(setup_for(fake, url=f"http://portainer.example:{fake.port}"))
    with pytest.raises(ManagerUnavailable, match="link-local"):
        await manager.make("moorage-x")
    assert "link-local" in (await manager.health() or "")
    assert fake.seen == []
    await manager.aclose()


async def test_the_address_that_was_checked_is_the_one_connected_to(fake, monkeypatch):
    """A name that changes its answer between look-ups gains nothing: there is one look-up."""
    resolver = Resolver(monkeypatch, ["127.0.0.1"], ["169.254.169.254"])
    manager = Portainer(setup_for(fake, url=f"http://portainer.example:{fake.port}"))
    assert (await manager.make("moorage-x")).endpoint_id == 1
    assert resolver.asked == 1
    await fake.down()
    await fake.up()
    with pytest.raises(ManagerUnavailable, match="link-local"):
        await manager.make("moorage-y")
    assert resolver.asked == 2
    assert [one.header("host") for one in fake.seen] == [f"portainer.example:{fake.port}"]
    await manager.aclose()


async def test_the_way_into_environments_is_as_careful(fake, monkeypatch):
    Resolver(monkeypatch, ["169.254.169.254"])
    proxy = PortainerProxy(setup_for(fake, url=f"http://portainer.example:{fake.port}"))
    with pytest.raises(DomainError, match="refused"):
        await proxy.stream(1, "GET", "info")
    await proxy.aclose()


async def test_a_name_with_several_addresses_is_tried_at_each(fake, monkeypatch):
    Resolver(monkeypatch, ["::1", "127.0.0.1"])
    manager = Portainer(setup_for(fake, url=f"http://portainer.example:{fake.port}"))
    assert (await manager.make("moorage-x")).endpoint_id == 1
    await manager.aclose()


async def test_a_name_that_is_not_known_is_said_so():
    with pytest.raises(httpcore.ConnectError, match="cannot be looked up"):
        await CheckedNetwork().connect_tcp("no-such-host.invalid", 80, timeout=5)


async def test_no_file_is_taken_for_an_address():
    with pytest.raises(AddressRefused):
        await CheckedNetwork().connect_unix_socket("/var/run/docker.sock")


async def test_the_clients_really_go_through_the_check(fake):
    """httpx has no public way to put it there; an upgrade of httpx must not take it out."""
    for owner in (Portainer(setup_for(fake)), PortainerProxy(setup_for(fake))):
        with pytest.raises(httpx.ConnectError) as refused:
            await owner._client.get("http://169.254.169.254/latest/meta-data/")
        assert isinstance(refused.value.__cause__, AddressRefused)
        await owner.aclose()

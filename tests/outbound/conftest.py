"""Portainer for the tests of what calls it: the fake one, and a real one where there is one."""

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

import pytest

from moorage.kit.ids import new_id
from moorage.outbound import Portainer, PortainerSetup
from support.portainer import FakePortainer


def setup_for(fake: FakePortainer, **changes) -> PortainerSetup:
    wanted = {
        "url": fake.url,
        "api_key": fake.api_key,
        "device_url": "https://portainer.example.com:9443",
        "timeout_s": 5.0,
    }
    return PortainerSetup(**wanted | changes)


@pytest.fixture
async def fake() -> AsyncIterator[FakePortainer]:
    async with FakePortainer() as portainer:
        yield portainer


@pytest.fixture
async def manager(fake) -> AsyncIterator[Portainer]:
    portainer = Portainer(setup_for(fake))
    yield portainer
    await portainer.aclose()


@dataclass
class Contract:
    """Whichever Portainer it is: how to reach it, and names to be cleared up after."""

    setup: PortainerSetup
    names: list[str] = field(default_factory=list)
    opened: list[Portainer] = field(default_factory=list)

    def name(self) -> str:
        self.names.append(f"moorage-{new_id('dev_')}")
        return self.names[-1]

    def manager(self, **changes) -> Portainer:
        self.opened.append(Portainer(replace(self.setup, **changes)))
        return self.opened[-1]


@pytest.fixture(params=["fake", "real"])
async def contract(request) -> AsyncIterator[Contract]:
    """Each claim twice: about the fake, and about a real one, named in the environment."""
    if request.param == "fake":
        async with FakePortainer() as portainer:
            found = Contract(setup_for(portainer))
            yield found
            await _clear_up(found)
        return
    url, key = os.environ.get("PORTAINER_URL"), os.environ.get("PORTAINER_API_KEY")
    if not url or not key:
        pytest.skip("no real Portainer: PORTAINER_URL and PORTAINER_API_KEY name none")
    found = Contract(
        PortainerSetup(
            url=url.rstrip("/"),
            api_key=key,
            device_url="https://portainer.example.com:9443",
            tunnel_address="portainer.example.com:8000",
            verify=os.environ.get("PORTAINER_VERIFY") != "0",
        )
    )
    yield found
    await _clear_up(found)


async def _clear_up(contract: Contract) -> None:
    last = contract.manager()
    for name in contract.names:
        await last.remove(name, None)
    for one in contract.opened:
        await one.aclose()

"""The two clients. All they have in common is written once, in the resources."""

from collections.abc import AsyncIterator, Callable, Iterator
from types import TracebackType
from typing import Self

import httpx

from moorage.sdk.answers import Retries
from moorage.sdk.config import DeviceConfig, WorkspaceConfig
from moorage.sdk.devices import Devices
from moorage.sdk.drivers import AsyncDriver, SyncDriver, options
from moorage.sdk.feed import Message
from moorage.sdk.keys import Audit, Keys, ProvisioningTokens
from moorage.sdk.requests import query_of
from moorage.sdk.running import Commands, Streams
from moorage.sdk.server import Server, Workspaces
from moorage.sdk.virtual import VirtualDevices

TIMEOUT_S = 30.0


class Moorage:
    """A blocking client; also a context manager. Threads may share one.

    ::

        with Moorage("https://fleet.example.com", key) as fleet:
            for device in fleet.devices.iterate(status=["offline"]):
                print(device.name, device.presence.reason)

    Raises:
        ValueError: the address, the key or the certificates cannot be right.

    """

    def __init__(  # noqa: PLR0913 - all but two have a default
        self,
        url: str,
        key: str,
        *,
        timeout_s: float = TIMEOUT_S,
        retries: Retries | None = None,
        ca_file: str | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Ask nothing yet; ``ca_file`` holds certificates (PEM) to trust, not the system's."""
        chosen = options(url, key, timeout_s=timeout_s, ca_file=ca_file)
        self.url: str = chosen["base_url"]
        self._driver = SyncDriver(httpx.Client(transport=transport, **chosen), retries or Retries())
        self.devices: Devices[SyncDriver] = Devices(self._driver)
        self.config: DeviceConfig[SyncDriver] = DeviceConfig(self._driver)
        self.default_config: WorkspaceConfig[SyncDriver] = WorkspaceConfig(self._driver)
        self.commands: Commands[SyncDriver] = Commands(self._driver)
        self.streams: Streams[SyncDriver] = Streams(self._driver)
        self.keys: Keys[SyncDriver] = Keys(self._driver)
        self.provisioning_tokens: ProvisioningTokens[SyncDriver] = ProvisioningTokens(self._driver)
        self.audit: Audit[SyncDriver] = Audit(self._driver)
        self.workspaces: Workspaces[SyncDriver] = Workspaces(self._driver)
        self.server: Server[SyncDriver] = Server(self._driver)
        self.virtual_devices: VirtualDevices[SyncDriver] = VirtualDevices(self._driver)

    def __repr__(self) -> str:
        return f"Moorage({self.url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def stream(
        self,
        device_id: str | None = None,
        *,
        after: str | None = None,
        lost: Callable[[str], None] | None = None,
    ) -> Iterator[Message]:
        """Follow what happens in the workspace, from now on or from a message's id (``after``).

        With ``device_id`` that device's log lines come too, but those that were an hour old when
        they came; the list has them. It goes on until you stop: a server that is away is waited
        for (``lost`` is called with the reason when a gap begins), what happened meanwhile is told
        then, and nothing twice; after a gap comes another ``hello``.

        Raises as any call does when it cannot be opened at first, and when it is refused later.
        """
        return self._driver.follow(query_of(device=device_id), after=after, lost=lost)

    def close(self) -> None:
        """Close the connections."""
        self._driver.close()


class AsyncMoorage:
    """The same client for asyncio; also an async context manager.

    ::

        async with AsyncMoorage("https://fleet.example.com", key) as fleet:
            async for device in fleet.devices.iterate(status=["offline"]):
                print(device.name, device.presence.reason)

    Raises:
        ValueError: the address, the key or the certificates cannot be right.

    """

    def __init__(  # noqa: PLR0913 - all but two have a default
        self,
        url: str,
        key: str,
        *,
        timeout_s: float = TIMEOUT_S,
        retries: Retries | None = None,
        ca_file: str | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Ask nothing yet; ``ca_file`` holds certificates (PEM) to trust, not the system's."""
        chosen = options(url, key, timeout_s=timeout_s, ca_file=ca_file)
        self.url: str = chosen["base_url"]
        self._driver = AsyncDriver(
            httpx.AsyncClient(transport=transport, **chosen), retries or Retries()
        )
        self.devices: Devices[AsyncDriver] = Devices(self._driver)
        self.config: DeviceConfig[AsyncDriver] = DeviceConfig(self._driver)
        self.default_config: WorkspaceConfig[AsyncDriver] = WorkspaceConfig(self._driver)
        self.commands: Commands[AsyncDriver] = Commands(self._driver)
        self.streams: Streams[AsyncDriver] = Streams(self._driver)
        self.keys: Keys[AsyncDriver] = Keys(self._driver)
        self.provisioning_tokens: ProvisioningTokens[AsyncDriver] = ProvisioningTokens(self._driver)
        self.audit: Audit[AsyncDriver] = Audit(self._driver)
        self.workspaces: Workspaces[AsyncDriver] = Workspaces(self._driver)
        self.server: Server[AsyncDriver] = Server(self._driver)
        self.virtual_devices: VirtualDevices[AsyncDriver] = VirtualDevices(self._driver)

    def __repr__(self) -> str:
        return f"AsyncMoorage({self.url!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def stream(
        self,
        device_id: str | None = None,
        *,
        after: str | None = None,
        lost: Callable[[str], None] | None = None,
    ) -> AsyncIterator[Message]:
        """Follow what happens in the workspace, from now on or from a message's id (``after``).

        With ``device_id`` that device's log lines come too, but those that were an hour old when
        they came; the list has them. It goes on until you stop: a server that is away is waited
        for (``lost`` is called with the reason when a gap begins), what happened meanwhile is told
        then, and nothing twice; after a gap comes another ``hello``.

        Raises as any call does when it cannot be opened at first, and when it is refused later.
        """
        return self._driver.follow(query_of(device=device_id), after=after, lost=lost)

    async def close(self) -> None:
        """Close the connections."""
        await self._driver.close()

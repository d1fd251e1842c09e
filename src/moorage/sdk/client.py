"""The two clients. All they have in common is written once, in the resources."""

from types import TracebackType
from typing import Self

import httpx

from moorage.sdk.answers import Retries
from moorage.sdk.config import DeviceConfig, WorkspaceConfig
from moorage.sdk.devices import Devices
from moorage.sdk.drivers import AsyncDriver, SyncDriver, options
from moorage.sdk.keys import Audit, Keys, ProvisioningTokens
from moorage.sdk.running import Commands, Streams
from moorage.sdk.server import Server, Workspaces

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

    async def close(self) -> None:
        """Close the connections."""
        await self._driver.close()

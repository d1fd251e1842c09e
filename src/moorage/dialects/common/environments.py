"""Environments of devices, as a dialect reaches them; ``outbound`` has the one there is.

A dialect and ``outbound`` do not know each other; this says what the one asks of the other.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Protocol

from moorage.core.environments import Access, Environment, Made


class EnvironmentAnswer(Protocol):
    """What came back from inside an environment.

    ``headers`` are those a client may see, by lower-case name. ``chunks`` can be read once; ending
    to read, or closing, lets go of the connection behind it. It raises when it had to be cut off.
    """

    @property
    def status(self) -> int:
        """The HTTP status."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers."""
        ...

    @property
    def chunks(self) -> AsyncIterator[bytes]:
        """The body."""
        ...

    async def aclose(self) -> None:
        """Let go of it unread."""
        ...


class EnvironmentProxy(Protocol):
    """A way into environments, to the container engine's own API there."""

    def check_path(self, path: str) -> str:
        """Return a path inside the environment, as decoded once, without a slash before it.

        Raises:
            DomainError: ``invalid`` for one that is not plainly what it says.

        """
        ...

    def classify(self, method: str, path: str) -> Access:
        """Say what a call with a checked path does there; what is not known to read manages."""
        ...

    async def stream(  # noqa: PLR0913 - the parts of a request
        self,
        endpoint_id: int,
        method: str,
        path: str,
        *,
        query: str = "",
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> EnvironmentAnswer:
        """Forward a call. Values of environment variables are taken out of what inspects things.

        Raises:
            DomainError: ``invalid`` for the path; ``unavailable`` when there is no answer to show.

        """
        ...


class Environments(Protocol):
    """The manager of environments that is set up."""

    @property
    def required(self) -> bool:
        """Whether no device is to be provisioned without one."""
        ...

    @property
    def proxy(self) -> EnvironmentProxy:
        """The way into them."""
        ...

    @property
    def warning(self) -> str | None:
        """What is wrong with the manager, as of the last look; None when nothing is."""
        ...

    async def make(self, device_id: str) -> Made:
        """Make a reserved environment, no transaction being open.

        Raises:
            ManagerUnavailable: nothing is there, or what is will be removed: abandon it.
            ManagerRefused: the same, and trying again is of no use.

        """
        ...

    async def bring_up(self, device_id: str) -> Environment | None:
        """Make an environment that is wanted, after the commit of that, and note the outcome.

        Never raises for the manager's sake: what failed is pending, and tried again later. One that
        is ready carries its key, noted as handed over: show it. None when there is none any more.
        """
        ...

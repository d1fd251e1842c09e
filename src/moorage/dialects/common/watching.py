"""How full the server's storage is, as whoever shows it reaches it; the server measures."""

from typing import Protocol

from moorage.storage.growth import Forecast
from moorage.storage.sizes import Limits, Size


class StorageWatch(Protocol):
    """What was measured last, and what the last days say of the next."""

    @property
    def size(self) -> Size | None:
        """None until it was measured once."""
        ...

    @property
    def limits(self) -> Limits:
        """What it may take up."""
        ...

    @property
    def forecast(self) -> Forecast:
        """When it is full at the pace of the last days."""
        ...

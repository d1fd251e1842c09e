"""What the tabs of a device offer to be done."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Spelled:
    """An action of the native API, to be copied as a command; see ``copying.copy_as``.

    ``cli`` and ``sdk`` hold names that devices made up only as literals of their languages.
    """

    method: str
    path: str
    body: Mapping[str, Any] | None = None
    cli: str | None = None
    sdk: str | None = None

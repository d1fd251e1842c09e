"""How large a scenario is: as it is meant, or so small that it only shows that it works."""

import os
from typing import TypeVar

QUICK = os.environ.get("BENCH_QUICK", "") not in ("", "0")
T = TypeVar("T")


def size(full: T, quick: T) -> T:
    """``full``, unless ``BENCH_QUICK=1`` asks for the least that still runs every line."""
    return quick if QUICK else full

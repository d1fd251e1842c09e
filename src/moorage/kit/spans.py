"""Lengths of time in words."""

import math
from datetime import timedelta


def spelled(length: timedelta) -> str:
    """Return a length in its largest fitting unit: ``44 s``, ``5 min``, ``3 h``, ``2 d``."""
    whole = max(0, math.floor(length.total_seconds()))
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if whole >= 2 * size:
            return f"{whole // size} {unit}"
    return f"{whole} s"

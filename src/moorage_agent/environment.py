"""Numbers that the device's owner may give by environment variables."""

from __future__ import annotations

import os

from moorage_agent.logs import log


def seconds(name: str, default: float, *, least: float = 0.0) -> float:
    """Return how many seconds a variable says, at least so many; the default for what is none."""
    try:
        return max(float(os.environ.get(name, default)), least)
    except ValueError:
        log.warning("%s is no number of seconds; %g is used", name, default)
        return default

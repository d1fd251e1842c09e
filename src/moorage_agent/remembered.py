"""Small files of JSON beside the store: what is worth remembering and no loss when it is lost."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from typing import Any


def read(path: str) -> Any:
    """Return what the file says; None when it is not there or cannot be read."""
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError, RecursionError):
        return None


def write(path: str, value: Any, *, durable: bool = False) -> None:
    """Have the file say this, all or nothing; on a full disk it says what it said before.

    Nobody else may read it. ``durable``: a power cut right after does not take it back.
    """
    with suppress(OSError):
        with open(path + ".new", "w", encoding="utf-8", opener=_private) as file:
            json.dump(value, file)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.replace(path + ".new", path)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)

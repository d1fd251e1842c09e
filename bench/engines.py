"""A server on each engine, one after the other."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any


def on_each(start_server: Any, measured: Callable[[Any, Path], Any]) -> dict[str, Any]:
    """What was measured, by the engine's name."""
    with tempfile.TemporaryDirectory(prefix="moorage-bench-") as path:
        folder = Path(path)
        found = {}
        for name in ("sqlite", "postgresql"):
            server = start_server(name, folder / name)
            try:
                found[name] = measured(server, folder)
            finally:
                server.stop()
    return found

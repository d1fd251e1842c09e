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


def table(figures: dict[str, dict[str, Any]], *, decimals: int) -> list[str]:
    """Lines of a table with a row for each figure and a column for each engine."""
    lines = ["| what | " + " | ".join(figures) + " |", "|---|" + "---|" * len(figures)]
    for name in next(iter(figures.values())):
        values = [found[name] for found in figures.values()]
        shown = [f"{one:,.{decimals}f}" if isinstance(one, float) else str(one) for one in values]
        lines.append(f"| {name.replace('_', ' ')} | " + " | ".join(shown) + " |")
    return lines

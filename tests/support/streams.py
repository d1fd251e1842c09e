"""What tests of runners share: lines that were heard, waiting until something holds."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

WITHIN_S = 30


class Heard:
    """Takes the lines of streams: ``Heard()`` is an ``on_line``."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, str]] = []

    def __call__(self, source: str, severity: str, message: str) -> None:
        self.lines.append((source, severity, message))

    def text(self) -> str:
        return "\n".join(" ".join(line) for line in list(self.lines))


def until(holds: Callable[[], Any], what: Callable[[], Any] = lambda: "") -> Any:
    """Wait until something holds, and return it."""
    deadline = time.monotonic() + WITHIN_S
    while time.monotonic() < deadline:
        found = holds()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"what was waited for did not come; it is {what()}")


def state(runner: Any, stream_id: str = "cam") -> dict[str, Any]:
    """Return the state of one stream, {} when it is not there."""
    return next((told for told in runner.states() if told["id"] == stream_id), {})


def until_status(runner: Any, *statuses: str, stream_id: str = "cam") -> dict[str, Any]:
    """Wait until a stream has one of these statuses; return its state."""
    told = lambda: state(runner, stream_id)  # noqa: E731
    return until(lambda: told().get("status") in statuses and told(), told)


def alive(pid: int) -> bool:
    """Whether a process is there and does something; a zombie does not."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return text.rpartition(")")[2].split()[0] != "Z"


def _children(pid: int) -> list[tuple[int, str]]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            text = (folder / "stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        its_state, parent = text.rpartition(")")[2].split()[:2]
        if int(parent) == pid:
            found.append((int(folder.name), its_state))
    return found


def children(pid: int) -> list[int]:
    """Return the processes that a process started itself."""
    return [child for child, its_state in _children(pid) if its_state != "Z"]


def zombies() -> list[int]:
    """Return the children of this process that nobody waited for."""
    return [child for child, its_state in _children(os.getpid()) if its_state == "Z"]


def command_lines() -> list[str]:
    """Return the command lines of all processes, as anybody on the machine sees them."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return found

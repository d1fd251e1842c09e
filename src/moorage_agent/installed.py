"""The file that this program runs from, and putting another in its place.

Beside ``moorage-agent.pyz`` stand, for a while, ``.next`` (what was fetched) and, for people,
``.previous`` (what ran before). Only a whole file ever gets the name itself, by one rename.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from typing import List, NamedTuple, Optional

from moorage_agent import restart


class App(NamedTuple):
    """The one file that the agent runs from; ``sha256`` in hex, as it was at the start."""

    path: str
    sha256: str

    @property
    def next(self) -> str:
        """Where a newer one waits."""
        return self.path + ".next"

    @property
    def previous(self) -> str:
        """Where the one before is kept."""
        return self.path + ".previous"


def running() -> Optional[App]:
    """Return the file this process runs from; None: it is no file of ours, or cannot be read."""
    archive = getattr(globals().get("__loader__"), "archive", None)
    if not isinstance(archive, str):
        return None
    path = os.path.realpath(archive)
    try:
        with open(path, "rb") as file:
            return App(path, hashlib.sha256(file.read()).hexdigest())
    except OSError:
        return None


def why_fixed(app: Optional[App]) -> Optional[str]:
    """Return why the agent cannot be replaced by itself, or None: it can."""
    if app is None:
        return (
            "this agent does not run from the one file that the server hands out, but from its "
            "sources or a package; update those on the device"
        )
    if program_with(app, app.path) is None:
        return "the agent cannot tell how it was started; install it anew to update it"
    folder = os.path.dirname(app.path)
    # Not only modes: under systemd most of the file system is read-only for the agent.
    if not os.access(folder, os.W_OK):
        return (
            "the agent may not write into %s; install it anew with the present installer, or let "
            "its service write there (ReadWritePaths)" % folder
        )
    return None


def program_with(app: App, path: str) -> Optional[List[str]]:
    """Return how this process was started, but from another file; without the agent's arguments."""
    program = restart.program()
    if program is None or len(program) < 2 or os.path.realpath(program[-1]) != app.path:
        return None
    return [*program[:-1], path]


def write_next(app: App, content: bytes) -> None:
    """Write the newer file, durably. Raises OSError."""
    mode = os.stat(app.path).st_mode & 0o777
    discard_next(app)
    descriptor = os.open(app.next, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        os.fchmod(file.fileno(), mode)
        file.flush()
        os.fsync(file.fileno())
    _sync_folder(app)


def discard_next(app: App) -> None:
    """Take away what was fetched."""
    try:
        os.unlink(app.next)
    except FileNotFoundError:
        return


def swap(app: App) -> None:
    """Put the newer file in the place of the present one, which is kept beside it.

    Raises OSError; the present file is in its place then.
    """
    spare = app.previous + ".new"
    if os.path.lexists(spare):
        os.unlink(spare)
    try:
        os.link(app.path, spare)
    except OSError:
        # Not every file system has hard links.
        shutil.copy2(app.path, spare)
        _sync(spare)
    os.replace(spare, app.previous)
    os.replace(app.next, app.path)
    _sync_folder(app)


def swap_back(app: App) -> None:
    """Put the file that was there before back. Raises OSError."""
    os.replace(app.previous, app.path)
    _sync_folder(app)


def _sync_folder(app: App) -> None:
    _sync(os.path.dirname(app.path))


def _sync(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

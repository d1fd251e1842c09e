"""Opening the store, also where its file is damaged, by whoever holds the lock on its folder.

A damaged one is set aside under a dated name, for people; only the latest of them is kept. A new
store takes its place, with new epochs and this device's identity, and an event that says so.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import sqlite3
import time
from contextlib import closing, suppress
from typing import IO, Dict, List, Optional

from moorage_agent import database, identity
from moorage_agent.happenings import happened
from moorage_agent.logs import log
from moorage_agent.messages import BACKFILL, LIVE
from moorage_agent.outbox import Row
from moorage_agent.store import Store

_ASIDE = database.FILE + ".damaged-"
# The new store until it holds all that it needs.
_NEXT = database.FILE + ".next"
_EPOCH = re.compile(r"[0-9a-f]{32}")
_SEQUENCE = re.compile(r"[0-9]{1,15}")


def lock(folder: str) -> IO[str]:
    """Return what keeps other agents off a folder while it is open. Raises ValueError."""
    held = open(os.path.join(folder, "lock"), "w", encoding="utf-8")  # noqa: SIM115 - held open
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        held.close()
        raise ValueError("another agent is running on %s" % folder) from None
    return held


def opened(folder: str, boot_id: str, *, locked: bool = False) -> Store:
    """Open the store, or make one; ``locked``: the caller holds the lock.

    Raises:
        OSError, sqlite3.Error: the disk.
        ValueError: it is damaged, and another agent is running with it.

    """
    reason = _why_not(folder)
    if reason is None:
        try:
            return Store(folder, boot_id=boot_id)
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            reason = str(error)
    if locked:
        return replaced(folder, boot_id, reason)
    try:
        held = lock(folder)
    except ValueError as error:
        text = "the store is damaged (%s); %s, and will begin a new one" % (reason, error)
        raise ValueError(text) from None
    with closing(held):
        return replaced(folder, boot_id, reason)


class Held:
    """The lock and the store of an agent that runs."""

    def __init__(self, folder: str, boot_id: str) -> None:
        """Take both. Raises as ``opened`` does."""
        self.folder = folder
        self.boot_id = boot_id
        self._mended = False
        self.take()

    def take(self) -> None:
        """Take both, again."""
        self._lock = lock(self.folder)
        try:
            self.store = opened(self.folder, self.boot_id, locked=True)
        except BaseException:
            self._lock.close()
            raise

    def let_go(self) -> None:
        """Close both."""
        self.store.close()
        self._lock.close()

    def mend(self, error: sqlite3.DatabaseError) -> None:
        """Have a new store if the error is that this one is damaged; else raise it again.

        Once a process: a disk that damages one after the other is no place to go on quickly.
        """
        if self._mended or not is_damage(error):
            raise error
        self._mended = True
        self.store.close()
        self.store = replaced(self.folder, self.boot_id, str(error))


def is_damage(error: sqlite3.Error) -> bool:
    """Whether an error says that the file is no sound database, rather than that it is in use.

    The exact class: those below it are of full disks, locks and statements.
    """
    return type(error) is sqlite3.DatabaseError


def _why_not(folder: str) -> Optional[str]:
    """Return why what is there is no store, where SQLite would take it for a new one."""
    path = os.path.join(folder, database.FILE)
    if os.path.exists(path):
        empty = os.path.getsize(path) == 0 and identity.kept(folder) is not None
        return "the file is empty" if empty else None
    if os.path.exists(os.path.join(folder, _NEXT)):
        # The power went between the two renames.
        os.rename(os.path.join(folder, _NEXT), path)
    return None


def replaced(folder: str, boot_id: str, reason: str) -> Store:
    """Put a new store in the place of a damaged one, which is closed; the caller holds the lock.

    A power cut at any instant leaves the damaged one, to be replaced by the next start, or the new.
    Raises OSError and sqlite3.Error.
    """
    path = os.path.join(folder, database.FILE)
    aside = _ASIDE + time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    known, ends = identity.salvaged(folder, path), _ends(path)
    for name in _names(folder, _ASIDE) + _names(folder, _NEXT):
        os.unlink(os.path.join(folder, name))
    log.error("the store is damaged (%s); it is set aside as %s", reason, aside)
    if not known:
        log.error("neither it nor %s says which device this is: enrol it anew", identity.FILE)
    with closing(Store(folder, boot_id=boot_id, file=_NEXT)) as store, store.transaction():
        store.put(**known, **ends)
        store.add([_event(reason, aside)])
    with suppress(FileNotFoundError):
        # What it could not take over into the damaged file. Left there it would be the new one's.
        os.rename(path + "-wal", os.path.join(folder, aside + "-wal"))
    with suppress(FileNotFoundError):
        os.unlink(path + "-shm")
    os.rename(path, os.path.join(folder, aside))
    os.rename(os.path.join(folder, _NEXT), path)
    return Store(folder, boot_id=boot_id)


def _event(reason: str, aside: str) -> Row:
    text = (
        "the agent's store was damaged (%s) and a new one begun; what it held that the server has "
        "not got is lost, how much is not known" % reason
    )
    return happened(
        "agent.store_damaged", text, {"reason": reason, "kept_as": aside, "lost": "unknown"}
    )


def _names(folder: str, beginning: str) -> List[str]:
    return [name for name in os.listdir(folder) if name.startswith(beginning)]


def _ends(path: str) -> Dict[str, str]:
    """Return what says which epochs the new ones go on from, as far as it can be read."""
    found: Dict[str, str] = {}
    with suppress(sqlite3.Error), closing(sqlite3.connect(path)) as db:
        meta = {str(name): str(value) for name, value in db.execute("SELECT name, value FROM meta")}
        for lane in (LIVE, BACKFILL):
            epoch, sequence = meta.get(lane + ".epoch", ""), meta.get(lane + ".sequence", "")
            if _EPOCH.fullmatch(epoch) and _SEQUENCE.fullmatch(sequence):
                told = {"epoch": epoch, "sequence": int(sequence)}
                found[lane + ".continues"] = json.dumps(told)
    return found

"""Who the device is, kept twice: in the store, and in a small file beside it.

A disk that damages the store must not cost a visit to the device. The file is read only then.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import Callable, Dict, Optional

from moorage_agent import keytext, remembered

FILE = "identity.json"
# By these names in the store's meta. With them another store is the same device to its server.
NAMES = (
    *("server", "key", "device_id", "workspace", "ca_pem", "pin", "hosts", "interval_s"),
    *("pending", "proposed_key", "proposed_for", "redeemed_token", "external_id", "retired"),
    *("server_key", "server_key_of", "servers_issued_at", "servers_issued_by", "home"),
    *("update", "updates_tried"),
)


def keep(folder: str, get: Callable[[str], Optional[str]]) -> None:
    """Have the file say what a store says, if that is an identity.

    Raises:
        sqlite3.Error: the store cannot say it.

    """
    found = {name: value for name, value in ((n, get(n)) for n in NAMES) if value is not None}
    if _is_whole(found) and found != kept(folder):
        remembered.write(os.path.join(folder, FILE), found, durable=True)


def kept(folder: str) -> Optional[Dict[str, str]]:
    """Return what the file says, or None when that is no identity."""
    found = remembered.read(os.path.join(folder, FILE))
    if not isinstance(found, dict):
        return None
    values = {name: found[name] for name in NAMES if isinstance(found.get(name), str)}
    return values if _is_whole(values) else None


def salvaged(folder: str, path: str) -> Dict[str, str]:
    """Return what is known of the device whose store at a path is damaged; empty: nothing is."""
    found: Dict[str, str] = {}
    unread = False
    try:
        with closing(sqlite3.connect(path)) as db:
            for name in NAMES:
                try:
                    row = db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
                except sqlite3.Error:
                    unread = True
                    continue
                if row is not None:
                    found[name] = str(row[0])
    except sqlite3.Error:
        unread = True
    if unread or not _is_whole(found):
        found = kept(folder) or found
    return found if _is_whole(found) else {}


def _is_whole(values: Dict[str, str]) -> bool:
    """Whether they say where the device belongs to and by what, nothing of it mangled."""
    if "key" not in values:
        return "pending" in values
    try:
        return "server" in values and keytext.kind_of(values["key"]) == "adk"
    except ValueError:
        return False

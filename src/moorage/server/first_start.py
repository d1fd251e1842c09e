"""The link that a server without any account hands out when it starts.

It makes whoever opens it an owner, so it goes to the terminal the server was started on, or else
into a file for the server's own user: never into the log, which others read and which is kept.
"""

import contextlib
import os
import sys
from pathlib import Path

import structlog

from moorage.console.links import address_of
from moorage.core import accounts
from moorage.kit.clock import rfc3339
from moorage.server.opening import keys_folder
from moorage.server.settings import Settings
from moorage.storage import Database, StorageError

_log = structlog.get_logger("moorage.server")
FILE = "set-up-link.txt"


def link_file(settings: Settings) -> Path:
    """Return where the link is put: the data folder, or beside the keys with PostgreSQL."""
    folder = keys_folder(settings) if settings.uses_postgresql else settings.data
    return folder / FILE


async def hand_out_link(db: Database, settings: Settings, public_url: str) -> None:
    """Make the link and put it where only whoever runs the server reads it.

    With an account there is none to make, and a file of an earlier start is taken away.
    """
    async with db.read() as tx:
        is_set_up = await accounts.is_set_up(tx)
    file = link_file(settings)
    if is_set_up:
        with contextlib.suppress(OSError):
            file.unlink(missing_ok=True)
        return
    try:
        async with db.write() as tx:
            made = await accounts.set_up_link(tx)
    except StorageError as error:  # a full disk, say: the server is wanted all the more
        _log.warning("set_up_link_not_made", error=str(error))
        return
    if made is None:
        return
    address = address_of(public_url, made)
    if sys.stdout.isatty():
        sys.stdout.write(
            "\nThere is no account yet. This link makes the first one, an owner; it works once, "
            f"until {rfc3339(made.link.expires_at)}:\n\n    {address}\n\n"
        )
        sys.stdout.flush()
        return
    try:
        _write(file, address)
    except OSError as error:
        _log.warning("set_up_link_not_written", file=str(file), error=error.strerror)
        return
    _log.info("set_up_link_written", file=str(file.absolute()))


def _write(file: Path, address: str) -> None:
    """Put the link into a file of the owner's alone, whatever was there before."""
    file.unlink(missing_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        opened.write(f"{address}\n")

"""Bringing a database to this release: look first, back up, then migrate."""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from moorage.server.backup import backup as make_backup
from moorage.server.opening import SetupError, check_there, make_folder, open_for
from moorage.server.settings import Settings
from moorage.storage import PostgresDatabase
from moorage.storage.migrate import check_known, current_version, migrate, newest_version
from moorage.storage.preflight import problems

_FOLDER = "backups"


@dataclass(frozen=True)
class Upgraded:
    """What was done. ``before`` is None for an empty database; ``backup`` None when none was made.

    ``done`` is False when it was only looked.
    """

    before: str | None
    after: str
    backup: Path | None
    done: bool


async def upgrade(
    settings: Settings, *, backup: bool = True, target: Path | None = None, only_look: bool = False
) -> Upgraded:
    """Migrate the database of the settings; what is up to date already is left alone.

    ``target`` is the file a backup goes to; without it SQLite's file is copied beside itself, and a
    backup of PostgreSQL goes to ``backups`` in the data folder. ``only_look`` changes nothing.

    Raises:
        SetupError: something would stop it half-way.
        StorageError: newer than this release, or being copied into; the backup cannot be made.

    """
    if only_look:
        check_there(settings)
    db = open_for(settings, patient=True)
    try:
        before = await current_version(db)
        after = newest_version()
        if before is not None:
            check_known(before)
        if before == after:
            return Upgraded(before, after, None, done=not only_look)
        wanted = backup and before is not None
        if wanted and target is None and isinstance(db, PostgresDatabase):
            target = settings.data / _FOLDER / _name(before or "")
        folder = None
        if wanted:
            folder = settings.data / "db" if target is None else target.parent
        found = await problems(db, folder)
        if found:
            raise SetupError("nothing was changed. " + ". ".join(found))
        if only_look:
            return Upgraded(before, after, None, done=False)
        made = None
        if wanted and target is not None:
            made = await _backed_up(settings, target)
        copied = await migrate(db, copy=wanted and target is None)
        return Upgraded(before, after, copied or made, done=True)
    finally:
        await db.close()


def _name(version: str) -> str:
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    return f"before-migration-from-{version}-{stamp}-{secrets.token_hex(2)}.zip"


async def _backed_up(settings: Settings, target: Path) -> Path:
    if target.parent == settings.data / _FOLDER:
        make_folder(
            target.parent,
            what=f"the backup folder {target.parent}",
            otherwise="name a file with --backup, or use --no-backup",
        )
    made = await make_backup(settings, target, passphrase=None)
    return made.path

"""Opening the database a server, or a command beside it, is to work on."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import structlog

from moorage.kit.clock import Clock
from moorage.server.keyring import Keyring, KeysMissing, open_keyring
from moorage.server.settings import Settings
from moorage.storage import PostgresDatabase, SQLiteDatabase, Vault, identity, open_database
from moorage.storage.migrate import check_version, current_version, migrate, newest_version
from moorage.storage.preflight import problems

_log = structlog.get_logger("moorage.server")


class SetupError(Exception):
    """The server cannot start as it is set up; the text says what to do."""


@asynccontextmanager
async def opened(
    settings: Settings, *, clock: Clock | None = None
) -> AsyncIterator[tuple[SQLiteDatabase | PostgresDatabase, Keyring]]:
    """Open the database at this release's schema, with the keys that belong to it.

    An empty database is migrated; an older SQLite file is copied, then migrated; an older
    PostgreSQL database is left to ``moorage migrate``, because other servers may be using it.

    Raises:
        SetupError: not migrated, or no keys.
        StorageError: newer, unreachable, or made with other keys.

    """
    db = open_for(settings, clock=clock)
    try:
        await bring_up_to_date(db, by_itself=not settings.uses_postgresql)
        keyring = await _keys_for(settings, db)
        db.vault = Vault(keyring.encryption)
        yield db, keyring
    finally:
        await db.close()


def open_for(
    settings: Settings, *, clock: Clock | None = None, patient: bool = False
) -> SQLiteDatabase | PostgresDatabase:
    """Return the database of the settings; the data folder is made, owner-only.

    ``patient``: statements may take as long as they take.
    """
    if not settings.uses_postgresql:
        db_folder = settings.data / "db"
        make_folder(
            db_folder,
            what=f"the data folder {settings.data}",
            otherwise="choose another with --data",
        )
    try:
        return open_database(settings.database_url, clock=clock, patient=patient)
    except ValueError as error:
        raise SetupError(f"the database setting is wrong: {error}") from None


def make_folder(folder: Path, *, what: str, otherwise: str) -> None:
    """Make a folder of the server's and the one it is in, both owner-only.

    Raises:
        SetupError: ``what`` cannot be made; ``otherwise`` says what to do.

    """
    try:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise SetupError(f"{what} cannot be made: {error.strerror}; {otherwise}") from None


async def bring_up_to_date(db: SQLiteDatabase | PostgresDatabase, *, by_itself: bool) -> None:
    """Migrate an empty database, and an older one if told to."""
    if await check_version(db):
        return
    version = await current_version(db)
    if version is not None and not by_itself:
        raise SetupError(
            f"the database has schema version {version}, this release needs {newest_version()}; "
            "run 'moorage migrate' with the same settings, then start the server"
        )
    if version is not None:
        found = await problems(db, db.path.parent if isinstance(db, SQLiteDatabase) else None)
        if found:
            raise SetupError(
                "the database is of an older release, and cannot be brought up to date by starting "
                "the server ('moorage migrate' has the options named): " + ". ".join(found)
            )
    copy = await migrate(db)
    _log.info(
        "database_migrated", version=newest_version(), copy=None if copy is None else str(copy)
    )


def sqlite_file(settings: Settings) -> Path | None:
    """Return where the embedded database is, or will be; None with PostgreSQL."""
    return None if settings.uses_postgresql else Path(settings.database_url.partition("///")[2])


def check_there(settings: Settings) -> None:
    """Raise SetupError when the settings name a database file that is not there."""
    file = sqlite_file(settings)
    if file is not None and not file.exists():
        raise SetupError(
            f"there is no database {file}; name the server's data folder with --data, or its "
            "settings file with --config"
        )


def keys_folder(settings: Settings) -> Path:
    """Return the folder of the server's keys. Raises SetupError when it must be named."""
    if settings.keys_dir is not None:
        return settings.keys_dir
    if settings.uses_postgresql:
        raise SetupError(
            "with PostgreSQL the server's keys need a named folder: set keys_dir "
            "(MOORAGE_KEYS_DIR), the same keys for every server of this database"
        )
    return settings.data / "keys"


def keyring_in(folder: Path, *, create: bool = False) -> Keyring:
    """Return the keys of a folder, as ``open_keyring`` does. Raises SetupError without them."""
    try:
        return open_keyring(folder, create=create)
    except KeysMissing as error:
        raise SetupError(str(error)) from None


async def _keys_for(settings: Settings, db: SQLiteDatabase | PostgresDatabase) -> Keyring:
    folder = keys_folder(settings)
    async with db.read() as tx:
        fresh = not await identity.is_claimed(tx)
    keyring = keyring_in(folder, create=fresh)
    async with db.write() as tx:
        await identity.claim_or_check(tx, keyring.check_values)
    return keyring

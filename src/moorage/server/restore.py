"""A backup into an empty database of either engine: whole, or nothing.

What comes back is an earlier moment, and the world went on since: tokens were spent, configs were
numbered. A restored database therefore begins a new life: see ADR 16.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from moorage.core import accounts, config, provisioning, workspaces
from moorage.server import sealing
from moorage.server.keyring import KEY_FILES, put_key_files, same_keys
from moorage.server.opening import SetupError, keyring_in, keys_folder, open_for, sqlite_file
from moorage.server.settings import Settings
from moorage.storage import PostgresDatabase, SQLiteDatabase, Tx, archive
from moorage.storage.migrate import check_known, newest_version, upgrade

_ACTOR = "system:restore"


@dataclass(frozen=True)
class Restored:
    """What was put back. ``tokens`` were voided, ``revision`` is every device's config's now.

    ``keys`` says of the server's keys: there, restored, missing.
    """

    manifest: archive.Manifest
    tokens: int
    revision: int
    keys: str


async def restore(settings: Settings, file: Path, *, passphrase: str | None) -> Restored:
    """Fill the empty database of the settings from a backup, of whichever engine it is.

    ``passphrase`` opens the keys in the backup; they are put where there are none.

    Raises:
        SetupError: the database is not empty, or the keys there belong to another.
        StorageError: the backup is damaged, or of a newer release.

    """
    with archive.reading(file) as found:
        check_known(found.manifest.schema)
        given = _opened_keys(found, passphrase)
        folder = keys_folder(settings)
        there = _has_keys(folder, found.manifest.key_checks)
        async with _emptied(settings) as db, db.write() as tx:
            await _fill(tx, found)
            tokens, revision = await _begin_anew(tx, found.manifest)
    if given is not None and not there:
        _put_keys(folder, given)
    keys = "there" if there else "missing" if given is None else "restored"
    return Restored(found.manifest, tokens, revision, keys)


async def _fill(tx: Tx, found: archive.Reader) -> None:
    if not await tx.on_connection(archive.is_empty):
        raise SetupError(
            "the database is not empty, and a backup is restored into an empty one only: make a "
            "new one, or drop this one and create it again"
        )
    # The rows are of the schema they were written in; what came later is done to them after.
    await tx.on_connection(lambda connection: upgrade(connection, found.manifest.schema))
    await tx.on_connection(lambda connection: archive.load(connection, found))
    await tx.on_connection(lambda connection: upgrade(connection, newest_version()))


async def _begin_anew(tx: Tx, manifest: archive.Manifest) -> tuple[int, int]:
    tokens = await provisioning.void_single_use(tx)
    await accounts.void_all(tx)
    revision = await config.number_anew(tx, _ACTOR)
    details = {"backup_made_at": manifest.made_at, "revision": revision, "tokens_voided": tokens}
    await workspaces.record_in_all(tx, _ACTOR, "server.restored", details)
    return tokens, revision


@asynccontextmanager
async def _emptied(settings: Settings) -> AsyncIterator[SQLiteDatabase | PostgresDatabase]:
    """Yield the database to fill; a file gets its name only when it is filled."""
    db = open_for(settings, patient=True)
    if isinstance(db, PostgresDatabase):
        try:
            yield db
        finally:
            await db.close()
        return
    await db.close()
    target = _free(sqlite_file(settings) or db.path)
    with archive.partial(target) as file:
        filled = SQLiteDatabase(file)
        try:
            yield filled
        finally:
            await filled.close()
        archive.put_in_place(file, target)


def _free(target: Path) -> Path:
    for path in (target, target.with_name(f"{target.name}-wal")):
        if path.exists():
            raise SetupError(
                f"there is a database {path} already, and a backup is restored into an empty place "
                f"only: stop its server and move the folder {target.parent} away, or name another "
                "with --data"
            )
    return target


def _opened_keys(found: archive.Reader, passphrase: str | None) -> Mapping[str, bytes] | None:
    sealed = found.keys()
    if passphrase is None:
        return None
    if sealed is None:
        raise archive.ArchiveError(
            "the backup was made without keys, so there is nothing to open with a passphrase; put "
            "back the keys folder that belongs to it by hand"
        )
    return sealing.unseal(sealed, passphrase)


def _has_keys(folder: Path, wanted: Mapping[str, str]) -> bool:
    """Whether the folder has keys; raise SetupError when they are not those of the backup."""
    if not any((folder / name).exists() for name in KEY_FILES):
        return False
    if not same_keys(keyring_in(folder).check_values, wanted):
        raise SetupError(
            f"the keys in {folder} are not those the backup belongs to; name the folder with the "
            "right ones (keys_dir), or an empty one and put them there"
        )
    return True


def _put_keys(folder: Path, files: Mapping[str, bytes]) -> None:
    try:
        put_key_files(folder, files)
    except OSError as error:
        raise SetupError(
            f"the database is restored, but the keys cannot be put into {folder}: {error.strerror}"
        ) from None

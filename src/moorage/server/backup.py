"""A backup of the whole database into one file, made while servers go on."""

from dataclasses import dataclass, field
from pathlib import Path

import moorage
from moorage.server import sealing
from moorage.server.keyring import key_files, same_keys
from moorage.server.opening import SetupError, check_there, keyring_in, keys_folder, open_for
from moorage.server.settings import Settings
from moorage.storage import archive
from moorage.storage.migrate import check_known, current_version


@dataclass(frozen=True)
class Made:
    """A backup that was made and read back."""

    path: Path
    manifest: archive.Manifest
    size_bytes: int
    with_keys: bool


async def backup(settings: Settings, target: Path, *, passphrase: str | None) -> Made:
    """Write a backup and read it back; only then it gets its name.

    ``passphrase`` is what the server's keys are sealed with; without one they are left out.

    Raises:
        SetupError: there is no database, or no keys.
        StorageError: newer than this release, or the file cannot be written.

    """
    archive.check_free(target)
    check_there(settings)
    keys = None if passphrase is None else _keys(settings)
    sealed = None if keys is None else sealing.seal(keys.files, passphrase or "")
    db = open_for(settings, patient=True)
    try:
        schema = await current_version(db)
        if schema is None:
            raise SetupError("the database is empty: there is nothing to back up")
        check_known(schema)
        with archive.partial(target) as file, archive.partial(target) as room:
            await archive.save(
                db,
                file,
                room=room,
                schema=schema,
                made_by=moorage.__version__,
                sealed_keys=sealed,
            )
            manifest = verified(file, passphrase)
            if keys is not None and not same_keys(keys.checks, manifest.key_checks):
                raise SetupError(
                    f"the keys in {keys_folder(settings)} are not those of this database; name the "
                    "folder that belongs to it (keys_dir)"
                )
            size = file.stat().st_size
            archive.put_in_place(file, target)
    finally:
        await db.close()
    return Made(target, manifest, size, sealed is not None)


@dataclass(frozen=True)
class _Keys:
    files: dict[str, bytes] = field(repr=False)
    checks: dict[str, str]


def _keys(settings: Settings) -> _Keys:
    folder = keys_folder(settings)
    return _Keys(checks=keyring_in(folder).check_values, files=key_files(folder))


def verified(file: Path, passphrase: str | None) -> archive.Manifest:
    """Read a backup from beginning to end, and its keys where a passphrase is given.

    Raises:
        ArchiveError: it is not what it should be.

    """
    with archive.reading(file) as found:
        found.verify()
        sealed = found.keys()
        if passphrase is not None and sealed is not None:
            sealing.unseal(sealed, passphrase)
        return found.manifest

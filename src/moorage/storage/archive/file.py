"""The backup file: a ZIP of a manifest and one compressed stream of rows for each table.

``manifest.json`` comes last and says what must be there; ``tables/NAME`` is blocks, each four bytes
of length (big-endian) and a MessagePack array of rows; ``keys.json`` is there when asked for.
The same file is read into either engine: docs/decisions/0016-backups.md.
"""

import os
import secrets
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from moorage.storage.archive.errors import ArchiveError
from moorage.storage.archive.tables import Sum, Table, Values

FORMAT = 1
_MANIFEST = "manifest.json"
_KEYS = "keys.json"
_BLOCK_BYTES = 1024 * 1024
# A block holds at least one row, however large; beyond this it is no block of ours.
_MOST_BLOCK_BYTES = 256 * 1024 * 1024
_MOST_SMALL_BYTES = 16 * 1024 * 1024
_LENGTH_BYTES = 4
_LEVEL = 3  # half the time of the default, and a few per cent more bytes
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(type=list[list[Any]]).decode


class Part(msgspec.Struct, frozen=True):
    """A table in the file, with what its rows come to."""

    table: Table
    rows: int
    checksum: str


class Manifest(msgspec.Struct, frozen=True):
    """What a backup says of itself.

    ``made_by`` is the release, ``schema`` the version its tables are of, ``key_checks`` what the
    server's keys are known by, ``made_at`` RFC 3339.
    """

    format: int
    made_at: str
    made_by: str
    engine: str
    schema: str
    key_checks: dict[str, str]
    tables: tuple[Part, ...]

    @property
    def rows(self) -> int:
        """Of all tables together."""
        return sum(part.rows for part in self.tables)


class Writer:
    """A backup that is being written."""

    def __init__(self, zipped: zipfile.ZipFile) -> None:
        self._zip = zipped
        self.parts: list[Part] = []

    def add(self, table: Table, chunks: Iterable[list[Values]]) -> None:
        """Write a table's rows."""
        total = Sum()
        with self._zip.open(f"tables/{table.name}", "w", force_zip64=True) as stream:
            for block in _blocks(chunks):
                total.add(block)
                packed = _encode(block)
                stream.write(len(packed).to_bytes(_LENGTH_BYTES))
                stream.write(packed)
        self.parts.append(Part(table, total.rows, total.checksum))

    def add_keys(self, sealed: bytes) -> None:
        """Put the server's keys in, sealed."""
        self._zip.writestr(_KEYS, sealed)

    def finish(self, manifest: Manifest) -> None:
        """Write what must be there."""
        self._zip.writestr(_MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)))


def _blocks(chunks: Iterable[list[Values]]) -> Iterator[list[Values]]:
    """Cut where a block grows large: rows with pictures are few to a block."""
    for chunk in chunks:
        block: list[Values] = []
        size = 0
        for row in chunk:
            block.append(row)
            size += sum(len(value) for value in row if isinstance(value, str | bytes))
            if size > _BLOCK_BYTES:
                yield block
                block, size = [], 0
        if block:
            yield block


@contextmanager
def partial(target: Path) -> Iterator[Path]:
    """Yield a hidden file beside ``target``, owner-only; it is removed if it is still there after.

    Raises:
        ArchiveError: the folder cannot be written to.

    """
    path = target.with_name(f".{target.name}.{secrets.token_hex(4)}.partial")
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        yield path
    except OSError as error:
        where = error.filename or target.parent
        raise ArchiveError(f"{where} cannot be written: {error.strerror or error}") from None
    finally:
        path.unlink(missing_ok=True)


def check_free(target: Path) -> None:
    """Raise ArchiveError when something has that name already: nothing is ever written over."""
    if target.exists():
        raise ArchiveError(
            f"there is a file {target} already, and it was left alone; choose another name"
        )


def put_in_place(path: Path, target: Path) -> None:
    """Give a finished file its name, durably; what has that name already stays as it is.

    Raises:
        ArchiveError: there is something of that name.

    """
    _sync(path)
    check_free(target)
    try:
        target.hardlink_to(path)  # unlike a renaming, it fails when the name is taken meanwhile
    except FileExistsError:
        check_free(target)
        raise
    except OSError:  # a file system without links
        path.rename(target)
    _sync(target.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def writing(path: Path) -> Iterator[Writer]:
    """Write a backup into a file that is there."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL) as zipped:
        yield Writer(zipped)


class Reader:
    """A backup that is read."""

    def __init__(self, zipped: zipfile.ZipFile, path: Path) -> None:
        self._zip = zipped
        self._path = path
        self.manifest = self._manifest()

    def _manifest(self) -> Manifest:
        raw = self._small(_MANIFEST)
        if raw is None:
            raise _damaged(self._path, "it has no manifest, so it was not finished")
        try:
            number = msgspec.json.decode(raw, type=dict[str, Any]).get("format")
            if number == FORMAT:
                return msgspec.json.decode(raw, type=Manifest)
        except msgspec.MsgspecError as error:
            raise _damaged(self._path, f"its manifest cannot be read: {error}") from None
        raise ArchiveError(
            f"{self._path} is a backup of format {number}, and this release reads format {FORMAT}; "
            "restore it with the release that made it, or a newer one"
        )

    def chunks(self, table: Table) -> Iterator[list[Values]]:
        """Yield a table's rows as they were written. Raises ArchiveError when it is damaged."""
        with self._entry(table) as stream:
            while length := stream.read(_LENGTH_BYTES):
                size = int.from_bytes(length)
                packed = stream.read(size) if size <= _MOST_BLOCK_BYTES else b""
                if len(length) != _LENGTH_BYTES or len(packed) != size:
                    raise _damaged(self._path, f"the rows of {table.name} are cut off")
                yield list(_decode(packed))

    @contextmanager
    def _entry(self, table: Table) -> Iterator[BinaryIO]:
        try:
            with self._zip.open(f"tables/{table.name}") as stream:
                yield stream  # type: ignore[misc]
        except KeyError:
            raise _damaged(self._path, f"the rows of {table.name} are missing") from None
        except (zipfile.BadZipFile, zlib.error, EOFError, msgspec.MsgspecError) as error:
            raise _damaged(self._path, f"the rows of {table.name}: {error}") from None

    def keys(self) -> bytes | None:
        """Return the sealed keys, or None when it was made without."""
        return self._small(_KEYS)

    def _small(self, name: str) -> bytes | None:
        try:
            with self._zip.open(name) as stream:
                return stream.read(_MOST_SMALL_BYTES)
        except KeyError:
            return None
        except (zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise _damaged(self._path, f"{name}: {error}") from None

    def verify(self) -> None:
        """Read everything. Raises ArchiveError when a table is not what the manifest says."""
        for part in self.manifest.tables:
            total = Sum()
            for rows in self.chunks(part.table):
                total.add(rows)
            self.compare(part, total)

    def compare(self, part: Part, total: Sum) -> None:
        """Raise ArchiveError unless rows that were read are those that were written."""
        if (total.rows, total.checksum) != (part.rows, part.checksum):
            raise _damaged(
                self._path,
                f"{part.table.name} has {total.rows} rows of checksum {total.checksum}, and should "
                f"have {part.rows} of {part.checksum}",
            )


@contextmanager
def reading(path: Path) -> Iterator[Reader]:
    """Open a backup. Raises ArchiveError when it is none, or damaged."""
    try:
        zipped = zipfile.ZipFile(path)
    except FileNotFoundError:
        raise ArchiveError(f"there is no file {path}") from None
    except OSError as error:
        raise ArchiveError(f"{path} cannot be read: {error.strerror}") from None
    except zipfile.BadZipFile:
        raise _damaged(path, "it is no backup of Moorage, or was cut off") from None
    with zipped:
        yield Reader(zipped, path)


def _damaged(path: Path, what: str) -> ArchiveError:
    return ArchiveError(f"{path} cannot be used: {what}; take another backup")

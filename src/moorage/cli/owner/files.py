"""Files of commands: read within bounds, written for their owner only, whole or not at all."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from moorage.cli.owner.outcomes import usage

_LARGEST_TEXT = 1024 * 1024


def read_text(file: Path) -> str:
    """Return the text of a file; ``-`` is standard input. Raises OSError."""
    if str(file) == "-":
        return sys.stdin.read(_LARGEST_TEXT)
    with file.open(encoding="utf-8", errors="replace") as opened:
        return opened.read(_LARGEST_TEXT)


@contextmanager
def private_file(path: Path, *, force: bool) -> Iterator[IO[bytes]]:
    """Open a file for its owner only; it is at its place when all is written, or not at all.

    Raises:
        Refused: there is something already, or nothing can be put there.

    """
    if path.exists() and not (force and path.is_file()):
        more = "name another file, or use --force" if path.is_file() else "it is no file"
        raise usage(f"{path} is there already; {more}")
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".moorage-")
    except OSError as error:
        raise usage(f"{path} cannot be written: {error.strerror}") from None
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        _settle(Path(temporary), path, force=force)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _settle(temporary: Path, path: Path, *, force: bool) -> None:
    if force:
        temporary.replace(path)
        return
    try:
        # Unlike a rename it fails where somebody was faster.
        path.hardlink_to(temporary)
    except FileExistsError:
        raise usage(f"{path} is there already; name another file, or use --force") from None
    except OSError:
        # Not every file system knows links.
        temporary.replace(path)
        return
    temporary.unlink()

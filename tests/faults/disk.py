"""A disk that is slow or faulty on demand: ``disk.c`` between a server and its SQLite files."""

import errno
import mmap
import shutil
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_name("disk.c")
FOR_EVER = -1
_WORDS = (
    "sync_delay_ms",
    "sync_error",
    "syncs_to_fail",
    "write_error",
    "writes_to_fail",
    "writes_to_cut",
    "syncs_under_way",
    "made",
)


def library(folder: Path) -> Path:
    """Compile it; skips where there is no compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler (cc) here to make a disk faulty with")
    made = folder / "disk.so"
    command = [compiler, "-shared", "-fPIC", "-O1", "-o", made, SOURCE, "-ldl"]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return made


class FaultyDisk:
    """Faults as words in a page that a server's process looks at with each call."""

    def __init__(self, library: Path, folder: Path) -> None:
        path = folder / "disk-faults"
        path.write_bytes(bytes(4096))
        with path.open("r+b") as file:
            self._page = mmap.mmap(file.fileno(), 4096)
        self.env = {"LD_PRELOAD": str(library), "DISK_FAULTS": str(path)}

    def close(self) -> None:
        self._page.close()

    def get(self, name: str) -> int:
        return int(struct.unpack_from("i", self._page, 4 * _WORDS.index(name))[0])

    def put(self, **words: int) -> None:
        for name, value in words.items():
            struct.pack_into("i", self._page, 4 * _WORDS.index(name), value)

    @property
    def made(self) -> int:
        """How many faults there were."""
        return self.get("made")

    def fail_syncs(self, times: int = FOR_EVER, error: int = errno.EIO) -> None:
        self.put(sync_error=error, syncs_to_fail=times)

    def fail_writes(self, error: int, times: int = FOR_EVER) -> None:
        self.put(write_error=error, writes_to_fail=times)

    def mend(self) -> None:
        self.put(sync_delay_ms=0, syncs_to_fail=0, writes_to_fail=0, writes_to_cut=0)

    @contextmanager
    def slow(self, milliseconds: int) -> Iterator[None]:
        self.put(sync_delay_ms=milliseconds)
        try:
            yield
        finally:
            self.put(sync_delay_ms=0)

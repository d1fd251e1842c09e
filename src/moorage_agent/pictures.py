"""Pictures and their figures: how many a second, how sharp, and small enough to be sent."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections import deque
from operator import mul
from typing import Deque, List, Optional, Tuple

from moorage_agent.runner_base import LARGEST_SNAPSHOT, RunnerError

# Grey pictures are made this small: what is left shows whether edges are there.
GREY_WIDTH, GREY_HEIGHT = 256, 192
GREY_BYTES = GREY_WIDTH * GREY_HEIGHT
SNAPSHOT_WIDTH = 1280
LARGEST_PICTURE = 8 * 1024 * 1024
_LONGEST_HEAD = 8192
_DECODED_WITHIN_S = 3.0
_WINDOW_S = 10.0
# Frames that gathered while a camera was found out about come at once; they tell nothing.
_SETTLED_S = 1.0
_MOST_COUNTS = 256


class Malformed(Exception):
    """Not what parts of pictures look like."""


class Rate:
    """Frames a second over the last ten seconds."""

    def __init__(self) -> None:
        """Start without any."""
        self._counts: Deque[Tuple[float, int]] = deque(maxlen=_MOST_COUNTS)
        self._first_at: Optional[float] = None
        self.count = 0

    def add(self, frames: int, now: Optional[float] = None) -> None:
        """Note that so many came just now (monotonic seconds)."""
        now = time.monotonic() if now is None else now
        if frames <= 0:
            return
        self.count += frames
        self._first_at = now if self._first_at is None else self._first_at
        if now - self._first_at < _SETTLED_S:
            return
        # Pictures by the dozen a second are noted a few times a second, so that the bound on what
        # is kept is not one on the span that it covers.
        if len(self._counts) > 1 and now - self._counts[-2][0] < _WINDOW_S / _MOST_COUNTS * 2:
            self._counts.pop()
        self._counts.append((now, self.count))
        while now - self._counts[0][0] > _WINDOW_S:
            self._counts.popleft()

    def value(self, now: Optional[float] = None) -> Optional[float]:
        """Return frames a second, None while nobody can know."""
        now = time.monotonic() if now is None else now
        if len(self._counts) < 2 or now - self._counts[-1][0] > _WINDOW_S:
            return None
        (began, before), (at, count) = self._counts[0], self._counts[-1]
        return round((count - before) / (at - began), 2) if at > began else None


def sharpness(grey: bytes, width: int, height: int) -> float:
    """Return the variance of the Laplacian: the more edges, and the harder, the larger.

    ``grey``: a byte a pixel, row by row. It has no unit, and compares pictures of one camera only.
    """
    rows = [grey[at : at + width] for at in range(0, width * height, width)]
    total = squares = 0
    for above, row, below in zip(rows, rows[1:], rows[2:]):
        found = [
            up + down + left + right - 4 * here
            for up, down, left, here, right in zip(above[1:], below[1:], row, row[1:], row[2:])
        ]
        total += sum(found)
        squares += sum(map(mul, found, found))
    pixels = (width - 2) * (height - 2)
    return round(squares / pixels - (total / pixels) ** 2, 2)


class Parts:
    """Takes pictures out of ``multipart/x-mixed-replace``, which has no end."""

    def __init__(self, boundary: str) -> None:
        """``boundary``: as the header has it; cameras count more or fewer dashes to it."""
        self._mark = b"--" + boundary.strip().strip('"').lstrip("-").encode("latin-1")
        self._buffer = bytearray()
        self._searched = 0
        # Bytes of the part that is being read; -1 when the part does not say.
        self._length: Optional[int] = None

    def feed(self, data: bytes) -> List[bytes]:
        """Take bytes in; return the pictures that are whole now. Raises Malformed."""
        self._buffer += data
        found: List[bytes] = []
        while True:
            if self._length is None and not self._take_head():
                return found
            body = self._take_body()
            if body is None:
                return found
            if is_jpeg(body):
                found.append(body)

    def _take_head(self) -> bool:
        at = self._buffer.find(self._mark)
        end = -1 if at < 0 else self._buffer.find(b"\r\n\r\n", at)
        if end < 0:
            if len(self._buffer) > _LONGEST_HEAD + len(self._mark):
                raise Malformed("no part of it begins with %s" % self._mark.decode("latin-1"))
            return False
        head = bytes(self._buffer[at:end]).decode("latin-1").lower()
        del self._buffer[: end + 4]
        self._length, self._searched = _length(head), 0
        return True

    def _take_body(self) -> Optional[bytes]:
        if self._length is not None and self._length >= 0:
            end = self._length if len(self._buffer) >= self._length else -1
        else:
            end = self._buffer.find(self._mark, self._searched)
            self._searched = max(len(self._buffer) - len(self._mark), 0)
        if end < 0:
            if len(self._buffer) > LARGEST_PICTURE:
                raise Malformed("a picture of more than %d MiB" % (LARGEST_PICTURE // 2**20))
            return None
        body = bytes(self._buffer[:end])
        del self._buffer[:end]
        if self._length == -1:
            body = body[: body.rfind(b"\xff\xd9") + 2]
        self._length = None
        return body


def _length(head: str) -> int:
    for line in head.split("\r\n"):
        name, _, text = line.partition(":")
        if name.strip() == "content-length" and text.strip().isdigit():
            length = int(text.strip()[:12])
            if length > LARGEST_PICTURE:
                raise Malformed("a picture of more than %d MiB" % (LARGEST_PICTURE // 2**20))
            return length
    return -1


def is_jpeg(data: bytes) -> bool:
    """Whether these bytes begin and end as a JPEG does."""
    return data[:3] == b"\xff\xd8\xff" and b"\xff\xd9" in data[-64:]


def ffmpeg() -> Optional[str]:
    """Return where ffmpeg is, if it is installed."""
    return shutil.which("ffmpeg")


def sharpness_of(jpeg: bytes) -> Optional[float]:
    """Return how sharp a JPEG is, or None: nothing here can decode it."""
    look = "scale=%d:%d,format=gray" % (GREY_WIDTH, GREY_HEIGHT)
    grey = _made_of(jpeg, ("-vf", look, "-f", "rawvideo"))
    return sharpness(grey, GREY_WIDTH, GREY_HEIGHT) if len(grey) == GREY_BYTES else None


def fitted(jpeg: bytes) -> bytes:
    """Return a JPEG of at most 512 KiB: this one, or one with less in it. Raises RunnerError."""
    if len(jpeg) <= LARGEST_SNAPSHOT:
        return jpeg
    for width, quality in ((SNAPSHOT_WIDTH, 5), (640, 8), (320, 12)):
        look = "scale=w='min(%d,iw)':h=-2,format=yuvj420p" % width
        made = _made_of(jpeg, ("-vf", look, "-q:v", str(quality), "-c:v", "mjpeg", "-f", "mjpeg"))
        if is_jpeg(made) and len(made) <= LARGEST_SNAPSHOT:
            return made
    raise RunnerError(
        "the picture has %d KiB and at most %d can be sent; %s"
        % (
            len(jpeg) // 1024,
            LARGEST_SNAPSHOT // 1024,
            "it could not be made smaller" if ffmpeg() else "install ffmpeg to make it smaller",
        )
    )


def _made_of(jpeg: bytes, output: Tuple[str, ...]) -> bytes:
    """Return what ffmpeg makes of a JPEG, nothing when it does not."""
    program = ffmpeg()
    if program is None:
        return b""
    command = [program, "-hide_banner", "-nostdin", "-v", "error", "-f", "mjpeg", "-i", "pipe:0"]
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command
            [*command, "-frames:v", "1", *output, "pipe:1"],
            input=jpeg,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_DECODED_WITHIN_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return b""
    return done.stdout if done.returncode == 0 else b""

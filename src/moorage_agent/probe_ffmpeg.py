"""ffmpeg as the eye: what it is started with, what it says, what that means.

The address of a camera goes to its standard input as a list of one, and not among its arguments,
which everybody on the machine can read.
"""

from __future__ import annotations

import contextlib
import functools
import os
import time
from typing import Callable, List, NamedTuple, Optional, Set, Tuple

from moorage_agent.facts import output_of
from moorage_agent.pictures import (
    GREY_BYTES,
    GREY_HEIGHT,
    GREY_WIDTH,
    SNAPSHOT_WIDTH,
    Malformed,
    Parts,
    ffmpeg,
    sharpness,
)
from moorage_agent.runner_base import RunnerError, Unreachable
from moorage_agent.runner_processes import Child, Lines, Wake
from moorage_agent.runner_secrets import Source

TCP, UDP = "tcp", "udp"
KEYFRAMES, ALL = "keyframes", "all"
_VERSION_WITHIN_S = 5.0
_PROTOCOLS = "file,pipe,fd,rtp,udp,tcp,tls,rtsp,rtsps,crypto"
_SILENCE_S = 15.0
_ONE_WITHIN_S = 20.0
_KEPT_LINES = 20


class Way(NamedTuple):
    """How to look: seconds between two looks, which frames to decode, by which transport."""

    every_s: float = 5.0
    decode: str = KEYFRAMES
    transport: str = TCP


class Look(NamedTuple):
    """What came: frames since the start, a picture, grey bytes; whatever did not is None."""

    frames: Optional[int] = None
    jpeg: Optional[bytes] = None
    sharpness: Optional[float] = None


def follow(
    source: Source, way: Way, wake: Wake, heed: Callable[[Look], None], over: Callable[[], bool]
) -> None:
    """Look at a source until ``over``; ``wake`` has that asked.

    Raises:
        RunnerError: it cannot be looked at, or not any more.

    """
    program = _program()
    _check(source)
    greys, pictures = os.pipe(), os.pipe()
    arguments = [*_start(program), *_input(source, way), *_follow(program, way, greys, pictures)]
    try:
        child = Child(arguments, wake=wake, extra_outputs=(greys[1], pictures[1]))
    except RunnerError:
        os.close(greys[0])
        os.close(pictures[0])
        raise
    child.watch(greys[0], "grey")
    child.watch(pictures[0], "jpeg")
    _run(child, _Reader(heed, "jpeg"), source, way, over)


def one_picture(source: Source, way: Way, wake: Wake, over: Callable[[], bool]) -> bytes:
    """Return one JPEG of a source. Raises RunnerError."""
    program = _program()
    _check(source)
    output = ["-map", "0:v:0", "-frames:v", "1", "-vf", _small(), *_JPEG, "pipe:1"]
    child = Child([*_start(program), *_input(source, way), *output], wake=wake)
    found: List[bytes] = []
    deadline = time.monotonic() + _ONE_WITHIN_S

    def enough() -> bool:
        return bool(found) or over() or time.monotonic() > deadline

    def heed(look: Look) -> None:
        if look.jpeg is not None:
            found.append(look.jpeg)

    _run(child, _Reader(heed, "stdout"), source, way, enough)
    if not found:
        raise Unreachable("%s sent no picture in time" % source.place())
    return found[0]


def _run(child: Child, reader: _Reader, source: Source, way: Way, over: Callable[[], bool]) -> None:
    lines = Lines()
    said: List[str] = []
    try:
        if source.scheme:
            # One that ended already says why by itself.
            with contextlib.suppress(RunnerError):
                child.write(_list_of(source, way))
        child.end_input()
        while not over():
            ended = child.ended()
            came = child.read(0.0 if ended else 1.0)
            for name, data in came:
                if name == "stderr":
                    said = (said + lines.feed(data))[-_KEPT_LINES:]
                else:
                    reader.feed(name, data)
            if ended and not came:
                break
            if time.monotonic() - reader.heard_at > _SILENCE_S:
                raise Unreachable(
                    "%s sends no picture: nothing for %d s" % (source.place(), _SILENCE_S)
                )
    except Malformed as error:
        raise RunnerError("ffmpeg wrote what nobody expects: %s" % error) from None
    finally:
        code = child.end()
    if not over():
        raise _explained([*said, *lines.rest()], source, code)


class _Reader:
    """Puts together what ffmpeg writes."""

    def __init__(self, heed: Callable[[Look], None], pictures: str) -> None:
        self._heed = heed
        self._pictures = pictures
        self._parts = Parts("ffmpeg")
        self._grey = bytearray()
        self._lines = Lines()
        self._frames = 0
        self.heard_at = time.monotonic()

    def feed(self, name: str, data: bytes) -> None:
        if name == self._pictures:
            for jpeg in self._parts.feed(data):
                self._heed(Look(jpeg=jpeg))
        elif name == "grey":
            self._grey += data
            while len(self._grey) >= GREY_BYTES:
                one = bytes(self._grey[:GREY_BYTES])
                del self._grey[:GREY_BYTES]
                self._heed(Look(sharpness=sharpness(one, GREY_WIDTH, GREY_HEIGHT)))
        else:
            for line in self._lines.feed(data):
                key, _, text = line.partition("=")
                if key == "frame" and text.strip().isdigit():
                    self._count(int(text))

    def _count(self, frames: int) -> None:
        if frames > self._frames:
            self._frames, self.heard_at = frames, time.monotonic()
            self._heed(Look(frames=frames))


def _program() -> str:
    program = ffmpeg()
    if program is None:
        raise RunnerError(
            "ffmpeg is not installed on this device; without it only MJPEG over HTTP can be "
            "looked at"
        )
    return program


def _check(source: Source) -> None:
    if not source.scheme:
        if not os.path.exists(source.url):
            raise RunnerError("there is no file %s" % source.url)
        if not os.path.isfile(source.url) or not os.access(source.url, os.R_OK):
            raise RunnerError("%s is no file that can be read" % source.url)


def _start(program: str) -> List[str]:
    return [program, "-hide_banner", "-nostdin", "-v", "error", "-protocol_whitelist", _PROTOCOLS]


def _input(source: Source, way: Way) -> List[str]:
    if not source.scheme:
        # At its own pace, over and over. What is copied must be decoded as well: its pace is that
        # of the decoder.
        return ["-re", "-stream_loop", "-1", "-i", "file:" + source.url]
    skip = ["-skip_frame", "nokey"] if way.decode == KEYFRAMES else []
    return [*skip, "-f", "concat", "-safe", "0", "-i", "pipe:0"]


def _list_of(source: Source, way: Way) -> bytes:
    """Return the list of one address; quotes in it are spelled as this format has them."""
    quoted = source.whole().replace("'", "'\\''")
    text = "ffconcat version 1.0\nfile '%s'\n" % quoted
    if _knows_options():
        text += "option rtsp_transport %s\n" % way.transport
    return text.encode("utf-8")


_JPEG = ("-c:v", "mjpeg", "-q:v", "5", "-f", "mpjpeg")


def _small() -> str:
    return "scale=w='min(%d,iw)':h=-2,format=yuvj420p" % SNAPSHOT_WIDTH


def _follow(program: str, way: Way, greys: Tuple[int, int], pictures: Tuple[int, int]) -> List[str]:
    """Count what comes as it comes; decode and shrink one frame now and then."""
    chosen = "select='isnan(prev_selected_t)+gte(t-prev_selected_t,%.3f)'" % way.every_s
    grey = "scale=%d:%d,format=gray" % (GREY_WIDTH, GREY_HEIGHT)
    graph = "[0:v:0]%s,split[a][b];[a]%s[grey];[b]%s[small]" % (chosen, grey, _small())
    # Frames go out as they were chosen: none is repeated to fill time.
    passed = ["-fps_mode", "passthrough"] if ffmpeg_version(program) >= (5, 1) else ["-vsync", "0"]
    return [
        *("-filter_complex", graph, "-map", "0:v:0", "-c:v", "copy", "-f", "null", "-"),
        *("-map", "[grey]", *passed, "-c:v", "rawvideo", "-f", "rawvideo", "pipe:%d" % greys[1]),
        *("-map", "[small]", *passed, *_JPEG, "pipe:%d" % pictures[1]),
        *("-progress", "pipe:1"),
    ]


def ffmpeg_version(program: str) -> Tuple[int, int]:
    """Return (major, minor) of an ffmpeg; one that says something else was built of late."""
    return _version(program, os.stat(program).st_mtime)


@functools.lru_cache(maxsize=4)
def _version(program: str, _changed_at: float) -> Tuple[int, int]:
    told = output_of([program, "-version"], _VERSION_WITHIN_S) or ""
    word = ([*told.split(), "", "", ""])[2]
    major, _, rest = word.lstrip("n").partition(".")
    minor = rest.partition(".")[0].partition("-")[0]
    if major.isdigit():
        return int(major), int(minor) if minor.isdigit() else 0
    return 99, 0


# Programs that were seen not to.
_PLAIN: Set[str] = set()


def _knows_options() -> bool:
    """Whether a list may say how to connect; before, ffmpeg tried UDP first, then TCP."""
    program = ffmpeg()
    return program is not None and program not in _PLAIN and ffmpeg_version(program) >= (5, 0)


# What ffmpeg says, what it means, and whether the camera is out of reach.
_MEANINGS: Tuple[Tuple[Tuple[str, ...], str, bool], ...] = (
    (("Connection refused",), "%s refuses connections: nothing listens there", True),
    (
        ("Failed to resolve hostname", "Name or service not known", "name resolution"),
        "the name of %s cannot be resolved; check the network's DNS",
        True,
    ),
    (("No route to host", "Network is unreachable"), "there is no way to %s", True),
    (("timed out",), "%s does not answer", True),
    (
        ("401 Unauthorized", "403 Forbidden"),
        "%s refuses the user and password (or wants some)",
        False,
    ),
    (("404 Not Found", "404 Stream"), "%s knows no such path (404)", False),
    (("matches no streams", "does not contain any stream"), "there is no video in %s", False),
    (("Invalid data found", "moov atom not found"), "%s is no video that ffmpeg can read", False),
    (("Connection reset", "Broken pipe", "End of file"), "%s closed the connection", True),
)


def _explained(said: List[str], source: Source, code: int) -> RunnerError:
    text = "\n".join(said)
    if "unknown keyword" in text.lower():
        _PLAIN.add(ffmpeg() or "")
        return Unreachable("this ffmpeg is an old one; %s is tried in its way" % source.place())
    for marks, meaning, away in _MEANINGS:
        if any(mark in text for mark in marks):
            error = meaning % source.place()
            return Unreachable(error) if away else RunnerError(error)
    if source.scheme and (code == 0 or not said):
        return Unreachable("%s closed the connection" % source.place())
    last = said[-1][:300] if said else "exit code %d" % code
    return RunnerError("ffmpeg cannot look at %s: %s" % (source.place(), last))

"""The built-in look at a stream: is the camera there, how many frames, how sharp, and a picture."""

from __future__ import annotations

import threading
import time
from typing import Any, Dict, Optional, Tuple

from moorage_agent import clock, pictures, probe_ffmpeg
from moorage_agent.pictures import Rate
from moorage_agent.probe_ffmpeg import ALL, KEYFRAMES, TCP, UDP, Look, Way
from moorage_agent.probe_mjpeg import Pictures
from moorage_agent.runner_base import (
    RUNNING,
    STARTING,
    OnLine,
    Pauses,
    RunnerError,
    Stream,
    Unusable,
)
from moorage_agent.runner_processes import Wake
from moorage_agent.runner_secrets import Source, source_of
from moorage_agent.runner_set import Runner

_HTTP, _RTSP = ("http", "https"), ("rtsp", "rtsps")
_SHORTEST_S, _LONGEST_S = 0.2, 3600.0
# After so long with frames, the next trouble is the first one.
_WELL_S = 10.0
_SAID_EVERY_S = 0.5
# A picture is of the present for so long, or for so many looks.
_FRESH_S, _FRESH_LOOKS = 30.0, 3


class ProbeRunner(Runner):
    """Streams that are looked at by the agent itself."""

    def make(self, stream_id: str, spec: Dict[str, Any]) -> Stream:
        """Return a stream, not begun. Raises Unusable."""
        return ProbeStream(stream_id, spec, self._on_line, self._pauses)


class ProbeStream(Stream):
    """One source that is looked at."""

    def __init__(
        self, stream_id: str, spec: Dict[str, Any], on_line: OnLine, pauses: Pauses
    ) -> None:
        """Check the config. Raises Unusable."""
        super().__init__(stream_id, spec, on_line, pauses)
        self._source = usable_source(spec)
        self._way, self._tls_verify = way_of(spec)
        self._wake = Wake()
        self._connection: Optional[Pictures] = None
        self._rate = Rate()
        self._began = self._said_at = self._looked_at = 0.0
        self._picture: Optional[bytes] = None
        self._picture_at: Optional[clock.Instant] = None
        self._sharpness: Optional[float] = None

    def work(self) -> None:
        """Look until it ends, is paused or fails."""
        self._rate, self._sharpness = Rate(), None
        self._began = self._said_at = self._looked_at = 0.0
        with self.guard:
            self._picture = self._picture_at = None
        if not self.failed_before():
            self.told(STARTING)
        if self._source.scheme in _HTTP:
            self._follow_http()
        else:
            probe_ffmpeg.follow(self._source, self._way, self._wake, self._heed, self._over)

    def wake(self) -> None:
        """Have the thread look at ``ending`` and ``paused``."""
        self._wake.set()
        with self.guard:
            connection = self._connection
        if connection is not None and self._over():
            connection.interrupt()

    def finish(self) -> None:
        """Let go of the pipe that wakes it."""
        self._wake.close()

    def trigger(self) -> Dict[str, Any]:
        """Return what the latest look saw. Raises RunnerError."""
        self._fresh()
        state = self.state()
        at = self._picture_at
        return {
            "looked_at": None if at is None else clock.rfc3339(at.wall),
            "camera_fps": state["camera_fps"],
            "sharpness": state["sharpness"],
        }

    def snapshot(self) -> bytes:
        """Return the latest picture. Raises RunnerError."""
        return pictures.fitted(self._fresh())

    def _fresh(self) -> bytes:
        with self.guard:
            picture, at = self._picture, self._picture_at
        if self.paused:
            raise RunnerError("the stream is paused; resume it to have a picture")
        age = None if at is None else clock.now().steady - at.steady
        if picture is None or age is None or age > max(_FRESH_S, _FRESH_LOOKS * self._way.every_s):
            error = self.state()["error"]
            raise RunnerError("there is no picture of the stream yet%s" % _because(error))
        return picture

    def _over(self) -> bool:
        return self.ending.is_set() or self.paused

    # --- by ffmpeg

    def _heed(self, look: Look) -> None:
        if look.frames is not None:
            self._came(look.frames - self._rate.count)
        if look.jpeg is not None:
            self._keep(look.jpeg)
        if look.sharpness is not None:
            self._sharpness = look.sharpness
            self._say()

    # --- by ourselves

    def _follow_http(self) -> None:
        connection = Pictures(self._source, tls_verify=self._tls_verify)
        with self.guard:
            self._connection = connection
        try:
            if not self._over():
                connection.open()
            while not self._over():
                found = connection.read()
                if found:
                    self._came(len(found))
                    self._look(found[-1])
        except RunnerError:
            if not self._over():
                raise
        finally:
            with self.guard:
                self._connection = None
            connection.close()

    def _look(self, jpeg: bytes) -> None:
        self._keep(jpeg)
        now = time.monotonic()
        if now - self._looked_at >= self._way.every_s:
            self._looked_at = now
            self._sharpness = pictures.sharpness_of(jpeg)
            self._say()

    # --- what came of it

    def _keep(self, jpeg: bytes) -> None:
        with self.guard:
            self._picture, self._picture_at = jpeg, clock.now()

    def _came(self, frames: int) -> None:
        now = time.monotonic()
        self._began = self._began or now
        self._rate.add(frames, now)
        if now - self._began > _WELL_S:
            self.worked()
        if now - self._said_at >= _SAID_EVERY_S:
            self._say()

    def _say(self) -> None:
        self._said_at = time.monotonic()
        self.told(RUNNING, camera_fps=self._rate.value(), sharpness=self._sharpness)


def usable_source(spec: Dict[str, Any]) -> Source:
    """Return a source that can be looked at. Raises Unusable."""
    try:
        source = source_of(spec)
    except ValueError as error:
        raise Unusable(str(error)) from None
    if source.scheme and (source.scheme not in _HTTP + _RTSP or not source.host):
        raise Unusable(
            "the source is the path of a video, or http://, https:// (MJPEG), rtsp:// or rtsps:// "
            "with a host"
        )
    return source


def way_of(spec: Dict[str, Any]) -> Tuple[Way, bool]:
    """Return how to look, and whether to verify a camera's certificate. Raises Unusable."""
    told = spec.get("probe")
    if told is None:
        told = {}
    if not isinstance(told, dict):
        raise Unusable("probe is an object")
    every_s = told.get("every_s", Way().every_s)
    number = isinstance(every_s, (int, float)) and not isinstance(every_s, bool)
    if not number or not _SHORTEST_S <= every_s <= _LONGEST_S:
        raise Unusable("probe.every_s is seconds from %g to %g" % (_SHORTEST_S, _LONGEST_S))
    decode, transport = told.get("decode", KEYFRAMES), told.get("transport", TCP)
    if decode not in (KEYFRAMES, ALL):
        raise Unusable("probe.decode is %s or %s" % (KEYFRAMES, ALL))
    if transport not in (TCP, UDP):
        raise Unusable("probe.transport is %s or %s" % (TCP, UDP))
    tls_verify = told.get("tls_verify", True)
    if not isinstance(tls_verify, bool):
        raise Unusable("probe.tls_verify is true or false")
    return Way(float(every_s), decode, transport), tls_verify


def one_picture(spec: Dict[str, Any], within_s: float = 20.0) -> bytes:
    """Return one JPEG of a stream's source, by a connection of its own. Raises RunnerError."""
    source = usable_source(spec)
    way, tls_verify = way_of(spec)
    if source.scheme not in _HTTP:
        wake = Wake()
        try:
            return pictures.fitted(probe_ffmpeg.one_picture(source, way, wake, lambda: False))
        finally:
            wake.close()
    connection = Pictures(source, tls_verify=tls_verify)
    timer = threading.Timer(within_s, connection.interrupt)
    timer.daemon = True
    timer.start()
    try:
        connection.open()
        return pictures.fitted(connection.first())
    finally:
        timer.cancel()
        connection.close()


def _because(error: Optional[str]) -> str:
    return "" if error is None else ": %s" % error

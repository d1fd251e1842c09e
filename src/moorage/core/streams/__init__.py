"""Streams a device runs: from its config and from its reports. Sources leave here sanitized."""

from moorage.core.streams.model import Stream, StreamFps, StreamRow
from moorage.core.streams.rules import sanitize
from moorage.core.streams.service import fps, get, list_streams, purge, record

__all__ = [
    "Stream",
    "StreamFps",
    "StreamRow",
    "fps",
    "get",
    "list_streams",
    "purge",
    "record",
    "sanitize",
]

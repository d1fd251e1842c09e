"""Samples summed up over five minutes and over an hour, beside the tables that hold them.

Owns how far that has come and what must be summed up again. It knows no kind of sample: telemetry
and streams say which columns are theirs (``Rolled``).
"""

from moorage.core.rollups.model import FINE, HOUR, Figures, Span, Spans, Walk
from moorage.core.rollups.rules import hour_of
from moorage.core.rollups.service import (
    close,
    kept_until,
    next_walk,
    note_late,
    take_marks,
    walked,
)
from moorage.core.rollups.tables import Rolled

__all__ = [
    "FINE",
    "HOUR",
    "Figures",
    "Rolled",
    "Span",
    "Spans",
    "Walk",
    "close",
    "hour_of",
    "kept_until",
    "next_walk",
    "note_late",
    "take_marks",
    "walked",
]

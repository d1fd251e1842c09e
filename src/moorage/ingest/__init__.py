"""What devices send → batches → one transaction; acknowledged after the commit."""

from moorage.ingest.checkins import CheckedIn, Checkin
from moorage.ingest.kept import Kept
from moorage.ingest.model import Incoming, Received, Report
from moorage.ingest.queue import IngestLimits
from moorage.ingest.room import Room
from moorage.ingest.rules import Retention
from moorage.ingest.service import Ingest

__all__ = [
    "CheckedIn",
    "Checkin",
    "Incoming",
    "Ingest",
    "IngestLimits",
    "Kept",
    "Received",
    "Report",
    "Retention",
    "Room",
]

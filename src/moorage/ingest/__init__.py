"""Reports → batches → one transaction; acknowledged after the commit."""

from moorage.ingest.model import Incoming, Received, Report
from moorage.ingest.queue import Ingest, IngestLimits
from moorage.ingest.rules import Retention

__all__ = ["Incoming", "Ingest", "IngestLimits", "Received", "Report", "Retention"]

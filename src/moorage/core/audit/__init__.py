"""Who changed what, and when. Append only; written in the transaction of the change itself."""

from moorage.core.audit.model import Entry
from moorage.core.audit.service import list_entries, purge, record

__all__ = ["Entry", "list_entries", "purge", "record"]

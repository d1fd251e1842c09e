"""Who changed what, and when. Append only; written in the transaction of the change itself."""

from moorage.core.audit.service import purge, record

__all__ = ["purge", "record"]

"""The ledger of what was received: ids, epochs, chains and forks. Content goes elsewhere."""

from moorage.core.reports.model import (
    Advance,
    Checkpoint,
    Epoch,
    Fork,
    Link,
    Offer,
    Record,
    Repeat,
    Reused,
    Store,
    Verdict,
)
from moorage.core.reports.rules import chain_after, first_chain
from moorage.core.reports.service import (
    Ledger,
    list_epochs,
    list_records,
    open_ledger,
    purge,
    purge_ledger,
)

__all__ = [
    "Advance",
    "Checkpoint",
    "Epoch",
    "Fork",
    "Ledger",
    "Link",
    "Offer",
    "Record",
    "Repeat",
    "Reused",
    "Store",
    "Verdict",
    "chain_after",
    "first_chain",
    "list_epochs",
    "list_records",
    "open_ledger",
    "purge",
    "purge_ledger",
]

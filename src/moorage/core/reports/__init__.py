"""The ledger of what was received: ids, epochs, chains and forks. Content goes elsewhere."""

from moorage.core.reports.model import (
    Advance,
    Fork,
    Link,
    Offer,
    Repeat,
    Reused,
    Store,
    Verdict,
)
from moorage.core.reports.rules import chain_after, first_chain
from moorage.core.reports.service import Ledger, open_ledger, purge, purge_ledger

__all__ = [
    "Advance",
    "Fork",
    "Ledger",
    "Link",
    "Offer",
    "Repeat",
    "Reused",
    "Store",
    "Verdict",
    "chain_after",
    "first_chain",
    "open_ledger",
    "purge",
    "purge_ledger",
]

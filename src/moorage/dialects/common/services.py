"""What the composition root hands to every dialect."""

from dataclasses import dataclass

from moorage.dialects.common.callers import Callers
from moorage.ingest import Ingest
from moorage.kit.clock import Clock
from moorage.storage import Database


@dataclass(frozen=True)
class Services:
    """The product, as a dialect reaches it.

    ``public_url`` is how devices and people reach this server: a setting, never a request's Host.
    """

    db: Database
    ingest: Ingest
    callers: Callers
    public_url: str
    install_token_expires_s: int
    clock: Clock
    rate_limits: bool = True

"""What the composition root hands to every dialect."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from moorage.core.accounts import Admission, IdentityProvider
from moorage.core.provisioning import ServerAddress, Signer
from moorage.core.workspaces import KeptDays
from moorage.dialects.common.callers import Callers
from moorage.dialects.common.counting import Counters
from moorage.dialects.common.environments import Environments
from moorage.dialects.common.feed import Feeds
from moorage.dialects.common.watching import StorageWatch
from moorage.ingest import Ingest
from moorage.kit.clock import Clock
from moorage.storage import Database


@dataclass(frozen=True)
class Services:
    """The product, as a dialect reaches it.

    ``public_url`` is how devices and people reach this server: a setting, never a request's Host.
    ``pin`` is of the certificate's key, for devices that do not trust it by themselves.
    ``signer`` signs what devices are to trust without asking; ``server_key`` is its public half, 32
    bytes. ``login_key`` signs what a login hands out, 32 bytes. ``closing`` is set once the server
    was told to stop: answers that are held end then. ``counters`` count what is asked of it, with
    other servers where that is set up. ``environments`` is None unless a manager of
    them is set up. ``kept_days`` is how long rows are kept, by kind. ``feeds`` are those who follow
    what happens. ``watch`` knows how full the storage is.
    """

    db: Database
    ingest: Ingest
    callers: Callers
    public_url: str
    install_token_expires_s: int
    clock: Clock
    signer: Signer
    server_key: bytes
    login_key: bytes = field(repr=False)
    closing: asyncio.Event
    counters: Counters
    rate_limits: bool = True
    requests_per_minute: int = 0
    environments: Environments | None = None
    identity_provider: IdentityProvider | None = None
    admission: Admission | None = None
    pin: str | None = None
    kept_days: Mapping[str, KeptDays] = field(default_factory=dict)
    feeds: Feeds = field(default_factory=Feeds)
    watch: StorageWatch | None = None

    @property
    def address(self) -> ServerAddress:
        """What install lines say of this server."""
        return ServerAddress(self.public_url, self.pin)

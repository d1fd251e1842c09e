"""What stands around every page: who is signed in, where, and what was just done."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class NavItem:
    """One entry of the navigation."""

    title: str
    path: str
    icon: str
    active: bool


@dataclass(frozen=True)
class Told:
    """What was just done, in a sentence. ``kind`` is success, info, warning or danger."""

    text: str
    kind: str = "success"


@dataclass(frozen=True)
class Shell:
    """The frame of a page for somebody signed in.

    ``csrf`` and ``place`` go along with every unsafe request. ``public_url`` is how devices reach
    this server.
    """

    name: str
    email: str
    role: str
    workspace_name: str
    workspace_slug: str
    live: bool
    csrf: str
    nav: tuple[NavItem, ...]
    told: tuple[Told, ...]
    public_url: str
    now: datetime
    path: str

    @property
    def place(self) -> str:
        """The workspace and mode a page is of, as it says them with what it sends."""
        return f"{self.workspace_slug}:{'live' if self.live else 'test'}"

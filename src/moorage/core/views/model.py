"""What a saved view is."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class SavedView:
    """A list as somebody wants to see it again. ``query`` is its address behind the ``?``."""

    name: str
    query: str
    saved_at: datetime

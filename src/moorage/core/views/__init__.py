"""Views somebody saved: addresses of lists, each with a name of its own."""

from moorage.core.views.model import SavedView
from moorage.core.views.service import list_views, remove, save

__all__ = ["SavedView", "list_views", "remove", "save"]

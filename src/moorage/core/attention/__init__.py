"""Which devices need somebody, and why: put together from what each capability knows."""

from moorage.core.attention.model import Cause, Flags, Need, Survey
from moorage.core.attention.service import cursor_at, list_needs, needs_of, survey

__all__ = ["Cause", "Flags", "Need", "Survey", "cursor_at", "list_needs", "needs_of", "survey"]

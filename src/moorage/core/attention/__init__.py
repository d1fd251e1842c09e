"""Which devices need somebody, and why: put together from what each capability knows."""

from moorage.core.attention.model import Cause, Need, Survey
from moorage.core.attention.service import survey

__all__ = ["Cause", "Need", "Survey", "survey"]

"""Tenancy: a workspace owns devices, keys and settings; features open parts of the product."""

from moorage.core.workspaces.model import Feature, Workspace
from moorage.core.workspaces.rules import RESERVED_SLUGS
from moorage.core.workspaces.service import ensure, find_by_slug, get

__all__ = ["RESERVED_SLUGS", "Feature", "Workspace", "ensure", "find_by_slug", "get"]

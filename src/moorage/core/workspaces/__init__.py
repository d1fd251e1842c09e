"""Tenancy: a workspace owns devices, keys and settings; features open parts of the product."""

from moorage.core.workspaces.model import Feature, KeptDays, Workspace
from moorage.core.workspaces.rules import RESERVED_SLUGS
from moorage.core.workspaces.service import (
    create,
    ensure,
    ensure_admin,
    find_by_slug,
    get,
    get_by_slug,
    list_slugs,
    list_workspaces,
    record_in_all,
    retentions,
    update,
)

__all__ = [
    "RESERVED_SLUGS",
    "Feature",
    "KeptDays",
    "Workspace",
    "create",
    "ensure",
    "ensure_admin",
    "find_by_slug",
    "get",
    "get_by_slug",
    "list_slugs",
    "list_workspaces",
    "record_in_all",
    "retentions",
    "update",
]

"""Making and finding workspaces."""

from collections.abc import Mapping
from typing import Any

from moorage.core import audit
from moorage.core.caller import Caller, Scope
from moorage.core.errors import DomainError, Kind, not_found
from moorage.core.workspaces import rules, store
from moorage.core.workspaces.model import KeptDays, Workspace
from moorage.kit.ids import new_id
from moorage.kit.pages import Page, decode_cursor, encode_cursor
from moorage.kit.text import clean_text
from moorage.storage import Tx


async def ensure(
    tx: Tx, slug: str, *, name: str | None = None, features: list[str] | None = None
) -> Workspace:
    """Return the workspace of that slug, made if absent, with at least these features.

    For whoever holds the server's own database (bootstrap): no caller can be asked for a scope
    before the first workspace exists.

    Raises:
        DomainError: ``invalid`` slug or feature.

    """
    rules.check_slug(slug)
    wanted = rules.check_features(features or [])
    fresh = Workspace(new_id("acc_"), slug, clean_text(name or slug), wanted, tx.now)
    made = await store.insert_if_absent(tx, fresh)
    workspace = await store.find_by_slug(tx, slug)
    if workspace is None:
        raise not_found("workspace")
    actor = Caller(workspace.id, live=True, actor="system:bootstrap")
    if made:
        await audit.record(tx, actor, "workspace.created", workspace.id, {"slug": slug})
    if not wanted <= workspace.features:
        features_now = workspace.features | wanted
        await store.set_features(tx, workspace.id, features_now)
        await audit.record(
            tx, actor, "workspace.features_added", workspace.id, {"features": sorted(wanted)}
        )
        return await get(tx, workspace.id)
    return workspace


async def get(tx: Tx, workspace_id: str) -> Workspace:
    """Return the workspace of that id. Raises DomainError ``not_found``."""
    workspace = await store.find(tx, workspace_id)
    if workspace is None:
        raise not_found("workspace")
    return workspace


async def ensure_admin(tx: Tx) -> Workspace:
    """Return the workspace of whoever runs the server, made if absent; it owns no devices."""
    found = await store.find_by_slug(tx, rules.ADMIN_SLUG)
    if found is not None:
        return found
    fresh = Workspace(new_id("acc_"), rules.ADMIN_SLUG, "Administration", frozenset(), tx.now)
    await store.insert_if_absent(tx, fresh)
    made = await store.find_by_slug(tx, rules.ADMIN_SLUG)
    if made is None:
        raise not_found("workspace")
    return made


async def create(
    tx: Tx, caller: Caller, slug: str, *, name: str | None, features: list[str]
) -> Workspace:
    """Make a workspace (``workspace:admin`` of the administration).

    Raises:
        DomainError: ``invalid``; ``conflict`` for a taken slug; ``forbidden`` for an owner.

    """
    await _require_administration(tx, caller)
    rules.check_slug(slug)
    wanted = rules.check_features(features)
    fresh = Workspace(new_id("acc_"), slug, rules.check_name(name or slug), wanted, tx.now)
    if not await store.insert_if_absent(tx, fresh):
        raise DomainError(
            Kind.CONFLICT, "slug_taken", f"there is a workspace {slug} already; choose another slug"
        )
    await audit.record(tx, caller, "workspace.created", fresh.id, {"slug": slug})
    return fresh


async def list_workspaces(
    tx: Tx, caller: Caller, *, cursor: str | None, limit: int
) -> Page[Workspace]:
    """List all workspaces for the administration, for an owner its own (``workspace:admin``).

    Raises:
        BadCursorError: the cursor is not one of ours.

    """
    caller.require(Scope.WORKSPACE_ADMIN)
    after = "" if cursor is None else str(decode_cursor(cursor, str)[0])
    own = await get(tx, caller.workspace_id)
    if own.slug != rules.ADMIN_SLUG:
        return Page([own] if own.slug > after else [], None)
    found = await store.list_after(tx, after, limit + 2)
    shown = [one for one in found if one.slug != rules.ADMIN_SLUG]
    page = shown[:limit]
    return Page(page, encode_cursor(page[-1].slug) if len(shown) > limit else None)


async def get_by_slug(tx: Tx, caller: Caller, slug: str) -> Workspace:
    """Return a workspace: any for the administration, else the caller's (``workspace:admin``)."""
    caller.require(Scope.WORKSPACE_ADMIN)
    own = await get(tx, caller.workspace_id)
    found = own if slug == own.slug else None
    if own.slug == rules.ADMIN_SLUG:
        found = await store.find_by_slug(tx, slug)
    if found is None or found.slug == rules.ADMIN_SLUG:
        raise not_found("workspace")
    return found


async def update(  # noqa: PLR0913 - what can be changed
    tx: Tx,
    caller: Caller,
    slug: str,
    *,
    name: str | None = None,
    features: list[str] | None = None,
    retention: Mapping[str, float | None] | None = None,
    bounds: Mapping[str, KeptDays] | None = None,
) -> Workspace:
    """Rename a workspace, or open and close parts of the product for it (``workspace:admin``).

    Features are the administration's to give. ``retention`` are days by kind, None for the server's
    own, within the ``bounds`` that the server sets.

    Raises:
        DomainError: ``invalid``, ``not_found``; ``forbidden`` for an owner who names features.

    """
    found = await get_by_slug(tx, caller, slug)
    if name is not None:
        await store.set_name(tx, found.id, rules.check_name(name))
    if features is not None:
        await _require_administration(tx, caller)
        await store.set_features(tx, found.id, rules.check_features(features))
    if retention is not None:
        chosen = rules.check_retention(found.retention, retention, bounds or {})
        await store.set_retention(tx, found.id, chosen)
    changed = {"name": name, "features": features, "retention": retention}
    told = {key: value for key, value in changed.items() if value is not None}
    await audit.record(tx, caller, "workspace.changed", found.id, told)
    return await get(tx, found.id)


async def _require_administration(tx: Tx, caller: Caller) -> None:
    caller.require(Scope.WORKSPACE_ADMIN)
    own = await get(tx, caller.workspace_id)
    if own.slug != rules.ADMIN_SLUG:
        raise DomainError(
            Kind.FORBIDDEN,
            "administration_only",
            "this is for the key of whoever runs the server: 'moorage admin-key' makes one",
        )


async def find_by_slug(tx: Tx, slug: str) -> Workspace | None:
    """Return the workspace of that slug, or None."""
    return await store.find_by_slug(tx, slug)


async def list_slugs(tx: Tx) -> list[str]:
    """Return the slugs of all workspaces but the administration's, for whoever runs the server."""
    slugs = await store.all_slugs(tx)
    return [slug for slug in slugs if slug != rules.ADMIN_SLUG]


async def record_in_all(tx: Tx, actor: str, action: str, details: Mapping[str, Any]) -> None:
    """Write into every workspace's audit what the server did to all of them."""
    for workspace_id in await store.all_ids(tx):
        caller = Caller(workspace_id, live=True, actor=actor)
        await audit.record(tx, caller, action, workspace_id, details)


async def retentions(tx: Tx) -> dict[str, Mapping[str, float]]:
    """Return the days that workspaces chose, by id and kind of rows, for jobs and ingest."""
    return await store.retentions(tx)

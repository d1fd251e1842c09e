"""Making and finding workspaces."""

from moorage.core import audit
from moorage.core.caller import Caller
from moorage.core.errors import not_found
from moorage.core.workspaces import rules, store
from moorage.core.workspaces.model import Workspace
from moorage.kit.ids import new_id
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


async def find_by_slug(tx: Tx, slug: str) -> Workspace | None:
    """Return the workspace of that slug, or None."""
    return await store.find_by_slug(tx, slug)

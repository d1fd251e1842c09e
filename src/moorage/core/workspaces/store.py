"""The workspaces table and every statement on it."""

from collections.abc import Mapping

import sqlalchemy as sa

from moorage.core.workspaces.model import Feature, Workspace
from moorage.storage import JsonText, Millis, Prepared, Row, Tx, table

_workspaces = table(
    "workspaces",
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("slug", sa.Text, nullable=False, unique=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("features", JsonText, nullable=False),
    # Days by kind of rows, of those that the workspace chose.
    sa.Column("retention", JsonText, nullable=False),
    sa.Column("created_at", Millis, nullable=False),
)


_FIND = Prepared(lambda _: sa.select(_workspaces).where(_workspaces.c.id == sa.bindparam("_id")))


def _workspace(row: Row) -> Workspace:
    known = {str(feature) for feature in Feature}
    features = frozenset(Feature(name) for name in row.features if name in known)
    return Workspace(row.id, row.slug, row.name, features, row.created_at, row.retention)


async def find(tx: Tx, workspace_id: str) -> Workspace | None:
    """By id."""
    rows = await tx.rows_of(_FIND, {"_id": workspace_id})
    return _workspace(rows[0]) if rows else None


async def find_by_slug(tx: Tx, slug: str) -> Workspace | None:
    """By slug."""
    row = await tx.row(sa.select(_workspaces).where(_workspaces.c.slug == slug))
    return row and _workspace(row)


async def insert_if_absent(tx: Tx, workspace: Workspace) -> bool:
    """Insert unless the slug is taken; return whether it was inserted."""
    values = {
        "id": workspace.id,
        "slug": workspace.slug,
        "name": workspace.name,
        "features": sorted(workspace.features),
        "retention": dict(workspace.retention),
        "created_at": workspace.created_at,
    }
    return await tx.run(tx.engine.insert(_workspaces).on_conflict_do_nothing(), values) == 1


async def list_after(tx: Tx, after: str, limit: int) -> list[Workspace]:
    """Walk all workspaces in the order of their slugs."""
    rows = await tx.rows(
        sa.select(_workspaces)
        .where(_workspaces.c.slug > after)
        .order_by(_workspaces.c.slug)
        .limit(limit)
    )
    return [_workspace(row) for row in rows]


async def set_name(tx: Tx, workspace_id: str, name: str) -> None:
    """Rename."""
    await tx.run(sa.update(_workspaces).where(_workspaces.c.id == workspace_id).values(name=name))


async def set_features(tx: Tx, workspace_id: str, features: frozenset[Feature]) -> None:
    """Replace the features."""
    await tx.run(
        sa.update(_workspaces)
        .where(_workspaces.c.id == workspace_id)
        .values(features=sorted(features))
    )


async def all_slugs(tx: Tx) -> list[str]:
    """Slugs of all workspaces, in order."""
    return [
        row.slug
        for row in await tx.rows(sa.select(_workspaces.c.slug).order_by(_workspaces.c.slug))
    ]


async def all_ids(tx: Tx) -> list[str]:
    """Ids of all workspaces."""
    return [row.id for row in await tx.rows(sa.select(_workspaces.c.id))]


async def set_retention(tx: Tx, workspace_id: str, retention: Mapping[str, float]) -> None:
    """Replace what it chose."""
    await tx.run(
        sa.update(_workspaces)
        .where(_workspaces.c.id == workspace_id)
        .values(retention=dict(retention))
    )


async def retentions(tx: Tx) -> dict[str, Mapping[str, float]]:
    """What workspaces chose, by id, those that chose nothing left out."""
    rows = await tx.rows(
        sa.select(_workspaces.c.id, _workspaces.c.retention).where(
            sa.type_coerce(_workspaces.c.retention, sa.Text) != "{}"
        )
    )
    return {row.id: row.retention for row in rows}

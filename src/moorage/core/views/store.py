"""The table of saved views and every statement on it."""

from collections.abc import Sequence

import sqlalchemy as sa

from moorage.core.views.model import SavedView
from moorage.storage import Millis, Tx, table

_views = table(
    "saved_views",
    sa.Column("workspace_id", sa.ForeignKey("workspaces.id", ondelete="CASCADE"), primary_key=True),
    # Whose it is, as the audit names them.
    sa.Column("owner", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("query", sa.Text, nullable=False),
    sa.Column("saved_at", Millis, nullable=False),
)


async def list_views(tx: Tx, workspace_id: str, owner: str) -> Sequence[SavedView]:
    """By name."""
    rows = await tx.rows(
        sa.select(_views.c.name, _views.c.query, _views.c.saved_at)
        .where(_views.c.workspace_id == workspace_id, _views.c.owner == owner)
        .order_by(_views.c.name)
    )
    return [SavedView(row.name, row.query, row.saved_at) for row in rows]


async def put(tx: Tx, workspace_id: str, owner: str, view: SavedView) -> None:
    """Keep a view, in place of one of the same name."""
    key = {"workspace_id": workspace_id, "owner": owner, "name": view.name}
    values = {"query": view.query, "saved_at": view.saved_at}
    await tx.run(
        tx.engine.insert(_views)
        .values(**key, **values)
        .on_conflict_do_update(index_elements=list(key), set_=values)
    )


async def delete(tx: Tx, workspace_id: str, owner: str, name: str) -> bool:
    """Whether there was one."""
    return bool(
        await tx.run(
            sa.delete(_views).where(
                _views.c.workspace_id == workspace_id,
                _views.c.owner == owner,
                _views.c.name == name,
            )
        )
    )

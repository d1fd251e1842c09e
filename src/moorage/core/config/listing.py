"""Statements on the config of many devices."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from moorage.core.config.store import _revisions, _states
from moorage.storage import Row, Tx


async def astray(tx: Tx, owned: Any, *, since: datetime) -> Sequence[Row]:
    """Those of these devices that failed to apply, or still run another revision than since then.

    device_id, revision, reported_revision, reported_state, reported_error.
    """
    another = _states.c.reported_revision != _states.c.revision
    columns = ("revision", "reported_revision", "reported_state", "reported_error")
    desired = sa.and_(
        _revisions.c.device_id == _states.c.device_id, _revisions.c.revision == _states.c.revision
    )
    is_old = sa.exists().where(desired, _revisions.c.created_at < since)
    return await tx.rows(
        sa.select(_states.c.device_id, *(_states.c[name] for name in columns)).where(
            sa.or_(_states.c.reported_state == "failed", another),
            _states.c.device_id.in_(owned),
            sa.or_(sa.not_(another), is_old),
        )
    )

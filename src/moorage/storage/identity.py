"""Which keys this database belongs to: a check value, never a key."""

import sqlalchemy as sa

from moorage.storage.database import Tx
from moorage.storage.errors import WrongKeys
from moorage.storage.schema import table

_identity = table(
    "server_identity",
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("check_value", sa.Text, nullable=False),
)


async def is_claimed(tx: Tx) -> bool:
    """Whether the database knows its keys already."""
    return await tx.row(sa.select(_identity).limit(1)) is not None


async def claim_or_check(tx: Tx, check_values: dict[str, str]) -> None:
    """Remember the check values in a fresh database, compare them in one that has some.

    Raises:
        WrongKeys: they differ.

    """
    rows = await tx.rows(sa.select(_identity))
    if not rows:
        values = [{"name": name, "check_value": value} for name, value in check_values.items()]
        await tx.run(tx.engine.insert(_identity).on_conflict_do_nothing(), values)
        rows = await tx.rows(sa.select(_identity))
    for row in rows:
        if check_values.get(row.name, row.check_value) != row.check_value:
            raise WrongKeys(
                f"the {row.name} key is not the one this database was made with; start the server "
                "with the keys folder that belongs to it (a backup of the database alone is not "
                "enough)"
            )


async def check_values(tx: Tx) -> dict[str, str]:
    """Return what the database knows its keys by; empty before it was first served."""
    return {row.name: row.check_value for row in await tx.rows(sa.select(_identity))}

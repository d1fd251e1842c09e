"""From an address to the database behind it."""

from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from moorage.kit.clock import Clock
from moorage.storage.postgresql import PostgresDatabase
from moorage.storage.sqlite import SQLiteDatabase
from moorage.storage.vault import Vault


def open_database(
    url: str, *, clock: Clock | None = None, vault: Vault | None = None, patient: bool = False
) -> SQLiteDatabase | PostgresDatabase:
    """Return the database of ``sqlite:///path`` or ``postgresql://...``.

    ``patient``: statements may take as long as they take.

    Raises:
        ValueError: another kind of address.

    """
    try:
        parsed = sa.make_url(url)
    except SQLAlchemyError:
        raise ValueError("it is no database address") from None
    if parsed.get_backend_name() == "postgresql":
        limit = None if patient else 60
        return PostgresDatabase(url, clock=clock, vault=vault, statement_s=limit)
    if parsed.get_backend_name() == "sqlite" and parsed.database:
        return SQLiteDatabase(Path(parsed.database), clock=clock, vault=vault)
    raise ValueError("a database address begins with sqlite:/// or postgresql://")

"""An index of the texts of a table's rows, so that a part of one is found without reading them all.

It only ever offers rows; whether one holds the text is said by ``contains_text``, so that a list is
the same with and without the index. It is made from the rows by the database itself, so nobody has
to think of it, and backups leave it out. A migration makes it; the reasons are in
docs/decisions/0018-text-search.md.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from moorage.storage.database import Tx
from moorage.storage.dialect import Texts, contains_text

# So many rows are looked up by their keys. Of so many more it is looked up, along the order of the
# list, which are offered. Beyond that the text is common: a page is found sooner without the index.
_FEW = 4_000
_SOME = 20_000
_DERIVED = re.compile(r"_texts(_index(_\w+)?)?$")


def is_derived(table: str) -> bool:
    """Whether a table of this name is part of an index of texts, made from the rows of another."""
    return _DERIVED.search(table) is not None


@dataclass(frozen=True)
class Holding:
    """Conditions for rows with a text; ``by_key``: among them that the key is one of few."""

    conditions: Sequence[sa.ColumnElement[bool]]
    by_key: bool = False


@dataclass(frozen=True)
class TextIndex:
    """The index of some text columns of a table with a text key."""

    table: sa.Table
    key: str
    columns: tuple[str, ...]

    async def holding(self, tx: Tx, text: str) -> Holding:
        """Return what rows with the text in one of the columns fulfil."""
        holds = sa.or_(*(contains_text(self.table.c[name], text) for name in self.columns))
        offered = tx.engine.offered(self._texts, text)
        if not isinstance(offered, sa.Select):
            return Holding([holds] if offered is None else [offered, holds])
        key = self.table.c[self.key]
        rows = await tx.rows(offered.limit(_FEW + 1))
        if len(rows) <= _FEW:
            given = tx.engine.listed_value([(row[0],) for row in rows])
            listed = sa.select(tx.engine.listed("key").c.key).params(**given)
            return Holding([key.in_(listed), holds], by_key=True)
        some = sa.select(sa.func.count().label("n")).select_from(
            offered.limit(_SOME + 1).subquery("some")
        )
        found = (await tx.rows(some))[0].n
        return Holding([key.in_(offered), holds] if found <= _SOME else [holds])

    @property
    def _texts(self) -> Texts:
        return Texts(self.table.name, self.key, self.columns)

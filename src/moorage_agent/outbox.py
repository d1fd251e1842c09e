"""Rows that are gathered and stand in no report yet: samples, log lines, events.

Owns their budget and their times. Does not know reports.
"""

from __future__ import annotations

import json
from typing import Any, Dict, Iterable, List, Optional, Tuple

from moorage_agent import bodies, clock
from moorage_agent.database import Database

# part of the report, moment, content without its time
Row = Tuple[str, clock.Instant, Dict[str, Any]]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS rows (
    id INTEGER PRIMARY KEY AUTOINCREMENT, part TEXT NOT NULL, wall REAL NOT NULL,
    steady REAL NOT NULL, boot TEXT NOT NULL, body TEXT NOT NULL, bytes INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS rows_by_part ON rows (part, id, bytes);
CREATE INDEX IF NOT EXISTS rows_by_time ON rows (boot, steady);
CREATE TABLE IF NOT EXISTS rows_size (bytes INTEGER NOT NULL);
INSERT INTO rows_size SELECT COALESCE(SUM(bytes), 0) FROM rows
    WHERE NOT EXISTS (SELECT 1 FROM rows_size);
CREATE TRIGGER IF NOT EXISTS rows_added AFTER INSERT ON rows
    BEGIN UPDATE rows_size SET bytes = bytes + NEW.bytes; END;
CREATE TRIGGER IF NOT EXISTS rows_removed AFTER DELETE ON rows
    BEGIN UPDATE rows_size SET bytes = bytes - OLD.bytes; END;
CREATE TABLE IF NOT EXISTS mends (
    boot TEXT PRIMARY KEY, last_id INTEGER NOT NULL, wall_ahead REAL NOT NULL);
"""
# The oldest telemetry goes before logs, and events last of all; each is counted.
LET_GO = ("telemetry", "logs", "events")
_LET_GO_AT_ONCE = 100
# What a row takes beside its content: mostly its columns and their indexes, on the disk.
_ROW_BYTES = 120
# More rows than fit into a report are not looked at for it.
_MOST_LOOKED_AT = 3 * bodies.MOST_ROWS
# Of another boot, or before a moment of this one. Each way by an index: behind an hour of silence
# stand many rows, and the present must not wait until they were all looked at.
_COLUMNS = "SELECT id, part, wall, steady, rows.boot, body, bytes, last_id, wall_ahead FROM rows "
_MENDS = "LEFT JOIN mends ON mends.boot = rows.boot "
_PAST_ROWS = (
    _COLUMNS
    + _MENDS
    + "WHERE rows.boot < :boot OR rows.boot > :boot OR steady < :before ORDER BY id LIMIT :most"
)
_FRESH_ROWS = (
    _COLUMNS
    + "INDEXED BY rows_by_time "
    + _MENDS
    + "WHERE rows.boot = :boot AND steady >= :before ORDER BY id DESC LIMIT :most"
)


class Outbox:
    """The rows of one store."""

    def __init__(self, db: Database, *, boot_id: str, budget_bytes: int) -> None:
        """Keep rows of ``boot_id`` in the database, at most about so many bytes."""
        db.script(_SCHEMA)
        self._db = db
        self._boot = boot_id
        self._budget_bytes = budget_bytes

    def add(self, rows: Iterable[Row]) -> None:
        """Keep rows; over the budget the oldest are let go and counted."""
        with self._db.transaction():
            for part, at, content in rows:
                self._put(part, (at.wall, at.steady, self._boot), content)
            self._keep_within_budget()

    def _put(self, part: str, at: Tuple[float, float, str], content: Dict[str, Any]) -> None:
        """Keep one row; ``at``: (wall, steady, boot)."""
        body = json.dumps(content)
        self._db.execute(
            "INSERT INTO rows (part, wall, steady, boot, body, bytes) VALUES (?,?,?,?,?,?)",
            (part, *at, body, len(body) + _ROW_BYTES),
        )

    def _keep_within_budget(self) -> None:
        for part in LET_GO:
            while True:
                too_much = self._size() - self._budget_bytes
                if too_much <= 0:
                    return
                oldest = self._db.execute(
                    "SELECT id, bytes FROM rows WHERE part = ? ORDER BY id LIMIT ?",
                    (part, _LET_GO_AT_ONCE),
                ).fetchall()
                if not oldest:
                    break
                self._let_go(part, oldest, too_much)

    def _let_go(self, part: str, oldest: List[Tuple[int, int]], too_much: int) -> None:
        """Let go of as many of these as it takes, and count them."""
        count = freed = 0
        for _, size in oldest:
            count, freed = count + 1, freed + size
            if freed >= too_much:
                break
        last = oldest[count - 1][0]
        self._db.execute("DELETE FROM rows WHERE part = ? AND id <= ?", (part, last))
        self.count_dropped({part: count})

    def _size(self) -> int:
        return int(self._db.execute("SELECT bytes FROM rows_size").fetchone()[0])

    def count_dropped(self, counts: Dict[str, int]) -> None:
        """Remember how many rows of each part were let go, for the next report."""
        with self._db.transaction():
            dropped = json.loads(self._db.get("dropped") or "{}")
            for part, count in counts.items():
                dropped[part] = dropped.get(part, 0) + count
            self._db.put(dropped=json.dumps(dropped))

    def take_dropped(self) -> Optional[Dict[str, int]]:
        """Return the counts of what was let go since the last call; part of a transaction."""
        dropped = self._db.get("dropped")
        if dropped is None:
            return None
        self._db.put(dropped=None)
        counts: Dict[str, int] = json.loads(dropped)
        return counts

    def mend(self, present: clock.Instant) -> None:
        """Give this boot's rows the time they have by the present clock, durably.

        Done when the clock was set: after a reboot nobody could tell any more. Noted once for all
        of them, for there may be many.
        """
        with self._db.transaction():
            self._db.execute(
                "REPLACE INTO mends SELECT boot, MAX(id), ? FROM rows WHERE boot = ? GROUP BY boot",
                (present.wall - present.steady, self._boot),
            )
            self._db.execute("DELETE FROM mends WHERE boot NOT IN (SELECT boot FROM rows)")

    def has_before(self, steady: float) -> bool:
        """Whether rows wait that were kept before a moment of this boot, or in another boot."""
        row = self._db.execute(
            "SELECT EXISTS (SELECT 1 FROM rows WHERE boot < :boot) "
            "OR EXISTS (SELECT 1 FROM rows WHERE boot > :boot) "
            "OR EXISTS (SELECT 1 FROM rows WHERE boot = :boot AND steady < :before)",
            {"boot": self._boot, "before": steady},
        ).fetchone()
        return bool(row[0])

    def take(
        self, at: clock.Instant, *, past_before: float, past: bool, only: Optional[str] = None
    ) -> Dict[str, List[Dict[str, Any]]]:
        """Take out what fits into one report; part of a transaction.

        With ``past`` what was kept before that moment, the oldest first; else what was kept
        since, the newest first. Each part stands in the order it was gathered in. ``only`` names
        the one part to take. What the disk has mangled is let go and counted.
        """
        found = self._db.execute(
            _PAST_ROWS if past else _FRESH_ROWS,
            {"boot": self._boot, "before": past_before, "most": _MOST_LOOKED_AT},
        )
        taken: List[Tuple[int]] = []
        mangled: Dict[str, int] = {}
        parts: Dict[str, List[Dict[str, Any]]] = {}
        size, most = 0, bodies.MOST_PAST_BYTES if past else bodies.MOST_BYTES
        for row_id, part, wall, steady, boot, body, length, last_mended, ahead in found:
            rows = parts.setdefault(part, [])
            if len(rows) >= bodies.MOST_ROWS or only not in (None, part):
                continue
            size += length
            if size > most and taken:
                break
            if boot == self._boot:
                wall = at.wall - at.steady + steady  # noqa: PLW2901 - by the present clock
            elif last_mended is not None and row_id <= last_mended:
                wall = ahead + steady  # noqa: PLW2901 - by that boot's last
            content = _content(body)
            if content is None:
                mangled[part] = mangled.get(part, 0) + 1
            else:
                rows.append({"at": clock.rfc3339(wall), **content})
            taken.append((row_id,))
        if not past:
            for rows in parts.values():
                rows.reverse()
        self._db.execute_many("DELETE FROM rows WHERE id = ?", taken)
        if mangled:
            self.count_dropped(mangled)
        return {part: rows for part, rows in parts.items() if rows}

    def put_back(
        self, parts: Dict[str, List[Dict[str, Any]]], composed: Tuple[float, float, str]
    ) -> None:
        """Keep rows of a report that was made then, as if they had not been taken."""
        wall_then, steady_then, boot = composed
        with self._db.transaction():
            for part, rows in parts.items():
                for row in rows:
                    wall = clock.parsed(row.pop("at")) or wall_then
                    self._put(part, (wall, steady_then + wall - wall_then, boot), row)
            self._keep_within_budget()

    def clear(self) -> None:
        """Forget all rows; part of a transaction."""
        self._db.execute("DELETE FROM rows")
        self._db.execute("DELETE FROM mends")
        self._db.put(dropped=None)

    def count(self) -> int:
        """Return how many rows wait."""
        return int(self._db.execute("SELECT COUNT(*) FROM rows").fetchone()[0])


def _content(body: str) -> Optional[Dict[str, Any]]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None

"""What the agent keeps on disk: its key, rows not yet reported, reports not yet acknowledged.

One SQLite file, one writer, ``synchronous=FULL``: every method is one transaction, so a power cut
at any instant leaves the state before or after it.
"""

from __future__ import annotations

import json
import os
import sqlite3
import uuid
from contextlib import contextmanager
from typing import Any, Dict, Iterable, Iterator, List, NamedTuple, Optional, Tuple

from moorage_agent import bodies, clock
from moorage_agent.step import BACKFILL, LIVE

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS rows (
    id INTEGER PRIMARY KEY AUTOINCREMENT, part TEXT NOT NULL, wall REAL NOT NULL,
    steady REAL NOT NULL, boot TEXT NOT NULL, body TEXT NOT NULL, bytes INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS reports (
    lane TEXT NOT NULL, epoch TEXT NOT NULL, sequence INTEGER NOT NULL, chain TEXT NOT NULL,
    body BLOB, wall REAL NOT NULL, steady REAL NOT NULL, boot TEXT NOT NULL,
    acknowledged_at REAL, PRIMARY KEY (epoch, sequence));
CREATE INDEX IF NOT EXISTS reports_waiting ON reports (lane, sequence)
    WHERE acknowledged_at IS NULL;
CREATE TABLE IF NOT EXISTS set_aside (
    id INTEGER PRIMARY KEY AUTOINCREMENT, wall REAL NOT NULL, status INTEGER NOT NULL,
    detail TEXT NOT NULL, body BLOB);
"""

# The oldest telemetry goes before logs; events and command results are never let go silently.
_LET_GO = ("telemetry", "logs")
_ACKNOWLEDGED_KEPT_S = 24 * 3600
_CHAIN_KEPT_S = 7 * 24 * 3600
_MOST_SET_ASIDE = 20


class Waiting(NamedTuple):
    """A report made and not acknowledged. ``composed``: (wall, steady, boot) of its making."""

    epoch: str
    sequence: int
    chain: str
    body: bytes
    composed: Tuple[float, float, str]


class Store:
    """The file. Used by one thread only."""

    def __init__(
        self,
        folder: str,
        *,
        boot_id: str,
        waiting_bytes: int = 64 * 1024 * 1024,
        acknowledged_bytes: int = 16 * 1024 * 1024,
    ) -> None:
        """Open or make the file, owner-only. Raises OSError or sqlite3.Error."""
        os.makedirs(folder, mode=0o700, exist_ok=True)
        path = os.path.join(folder, "agent.db")
        if not os.path.exists(path):
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
        self._boot = boot_id
        self._waiting_bytes = waiting_bytes
        self._acknowledged_bytes = acknowledged_bytes
        self._db = sqlite3.connect(path, isolation_level=None, timeout=10)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.executescript(_SCHEMA)
        with self._transaction():
            if self.get("store") is None:
                self._begin_anew()

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        if self._db.in_transaction:
            yield
            return
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    # --- small facts

    def get(self, name: str) -> Optional[str]:
        """Return a remembered value."""
        row = self._db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def put(self, **values: Optional[str]) -> None:
        """Remember values, all or none; None forgets."""
        with self._transaction():
            for name, value in values.items():
                if value is None:
                    self._db.execute("DELETE FROM meta WHERE name = ?", (name,))
                else:
                    self._db.execute("REPLACE INTO meta VALUES (?, ?)", (name, value))

    # --- rows

    def add(self, rows: Iterable[Tuple[str, clock.Instant, Dict[str, Any]]]) -> None:
        """Keep rows of (part, moment, content); over the budget the oldest are let go, counted."""
        with self._transaction():
            for part, at, content in rows:
                body = json.dumps(content, ensure_ascii=False)
                self._db.execute(
                    "INSERT INTO rows (part, wall, steady, boot, body, bytes) VALUES (?,?,?,?,?,?)",
                    (part, at.wall, at.steady, self._boot, body, len(body)),
                )
            self._keep_within_budget()

    def _keep_within_budget(self) -> None:
        total = self._db.execute("SELECT COALESCE(SUM(bytes), 0) FROM rows").fetchone()[0]
        for part in _LET_GO:
            while total > self._waiting_bytes:
                oldest = self._db.execute(
                    "SELECT id, bytes FROM rows WHERE part = ? ORDER BY id LIMIT 100", (part,)
                ).fetchall()
                if not oldest:
                    break
                self._db.execute(
                    "DELETE FROM rows WHERE part = ? AND id <= ?", (part, oldest[-1][0])
                )
                self._count_dropped(part, len(oldest))
                total -= sum(row[1] for row in oldest)

    def _count_dropped(self, part: str, count: int) -> None:
        dropped = json.loads(self.get("dropped") or "{}")
        dropped[part] = dropped.get(part, 0) + count
        self.put(dropped=json.dumps(dropped))

    def has_rows_before(self, steady: float) -> bool:
        """Whether rows wait that were kept before a moment of this boot, or in another boot."""
        row = self._db.execute(
            "SELECT 1 FROM rows WHERE boot != ? OR steady < ? LIMIT 1", (self._boot, steady)
        ).fetchone()
        return row is not None

    # --- reports

    def compose(
        self, lane: str, head: Dict[str, Any], at: clock.Instant, *, past_before: float
    ) -> Waiting:
        """Make a lane's next report of ``head`` and the rows that belong to it.

        The live lane takes what was kept since ``past_before`` (a moment of this boot), the newest
        first; backfill takes what is older, the oldest first. Rows whose clock was set since go
        with the time they have by the present one.
        """
        with self._transaction():
            taken, parts = self._take_rows(lane, at, past_before)
            report = {**head, **parts}
            if lane == BACKFILL:
                report["backfill"] = True
            dropped = self.get("dropped")
            if dropped is not None and lane == LIVE:
                report["dropped"] = json.loads(dropped)
                self.put(dropped=None)
            report["id"] = str(uuid.uuid4())
            waiting = self._append(lane, report, (at.wall, at.steady, self._boot))
            self._db.executemany("DELETE FROM rows WHERE id = ?", [(row_id,) for row_id in taken])
        return waiting

    def _take_rows(
        self, lane: str, at: clock.Instant, past_before: float
    ) -> Tuple[List[int], Dict[str, List[Dict[str, Any]]]]:
        past = "(boot != ? OR steady < ?)"
        where = past + " ORDER BY id" if lane == BACKFILL else "NOT " + past + " ORDER BY id DESC"
        found = self._db.execute(
            "SELECT id, part, wall, steady, boot, body, bytes FROM rows WHERE " + where,  # noqa: S608
            (self._boot, past_before),
        )
        taken: List[int] = []
        parts: Dict[str, List[Dict[str, Any]]] = {}
        size = 0
        for row_id, part, wall, steady, boot, body, length in found:
            rows = parts.setdefault(part, [])
            if len(rows) >= bodies.MOST_ROWS:
                continue
            size += length
            if size > bodies.MOST_BYTES and taken:
                break
            mended = at.wall + steady - at.steady if boot == self._boot else wall
            rows.append({"at": clock.rfc3339(mended), **json.loads(body)})
            taken.append(row_id)
        if lane == LIVE:
            for rows in parts.values():
                rows.reverse()
        return taken, parts

    def _append(
        self, lane: str, report: Dict[str, Any], composed: Tuple[float, float, str]
    ) -> Waiting:
        epoch, sequence, chain = self._end_of(lane)
        report = bodies.placed(
            report,
            store=self.get("store") or "",
            epoch=epoch,
            sequence=sequence + 1,
            previous=chain,
        )
        continues = self.get(lane + ".continues")
        if continues is not None and sequence == 0:
            report["continues"] = json.loads(continues)
        body = bodies.encode(report)
        chain = bodies.chain_after(chain, body)
        self._db.execute(
            "INSERT INTO reports VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL)",
            (lane, epoch, sequence + 1, chain, body, *composed),
        )
        self.put(**{lane + ".sequence": str(sequence + 1), lane + ".chain": chain})
        return Waiting(epoch, sequence + 1, chain, body, composed)

    def _end_of(self, lane: str) -> Tuple[str, int, str]:
        epoch = self.get(lane + ".epoch") or ""
        return epoch, int(self.get(lane + ".sequence") or 0), self.get(lane + ".chain") or ""

    def first_waiting(self, lane: str) -> Optional[Waiting]:
        """Return the lane's first report that is not acknowledged."""
        row = self._db.execute(
            "SELECT epoch, sequence, chain, body, wall, steady, boot FROM reports "
            "WHERE lane = ? AND acknowledged_at IS NULL ORDER BY sequence LIMIT 1",
            (lane,),
        ).fetchone()
        return None if row is None else Waiting(row[0], row[1], row[2], row[3], tuple(row[4:7]))

    def acknowledge(self, waiting: Waiting, at: clock.Instant) -> None:
        """Mark a report as acknowledged; it stays a while for a server that was set back."""
        with self._transaction():
            self._db.execute(
                "UPDATE reports SET acknowledged_at = ? WHERE epoch = ? AND sequence = ?",
                (at.wall, waiting.epoch, waiting.sequence),
            )
            self.put(last_acknowledged_at=clock.rfc3339(at.wall), last_error=None)

    def tidy(self, at: clock.Instant) -> None:
        """Let go of acknowledged bodies after a day or over budget, of chains after a week."""
        with self._transaction():
            self._db.execute(
                "UPDATE reports SET body = NULL WHERE acknowledged_at < ? AND body IS NOT NULL",
                (at.wall - _ACKNOWLEDGED_KEPT_S,),
            )
            kept = self._db.execute(
                "SELECT rowid, LENGTH(body) FROM reports WHERE acknowledged_at IS NOT NULL "
                "AND body IS NOT NULL ORDER BY rowid DESC"
            ).fetchall()
            size = 0
            for row_id, length in kept:
                size += length
                if size > self._acknowledged_bytes:
                    self._db.execute(
                        "UPDATE reports SET body = NULL WHERE rowid <= ?"
                        " AND acknowledged_at IS NOT NULL",
                        (row_id,),
                    )
                    break
            self._db.execute(
                "DELETE FROM reports WHERE acknowledged_at < ?", (at.wall - _CHAIN_KEPT_S,)
            )

    # --- when the server's chain is not ours

    def resolve_fork(self, lane: str, sequence: int, chain: str) -> bool:
        """Make ready to go on after a fork; return True when the server has a beginning of ours.

        Then what it lacks is sent again as it was. Otherwise this store was set back or copied: it
        becomes a new store with new epochs, and what is not acknowledged goes there with its ids.
        """
        with self._transaction():
            epoch, last, _ = self._end_of(lane)
            ours = self._is_ours(lane, sequence, chain)
            if ours and sequence == last:
                # It has all of it: only its memory of the single report has lapsed.
                self._db.execute(
                    "UPDATE reports SET acknowledged_at = wall "
                    "WHERE epoch = ? AND acknowledged_at IS NULL",
                    (epoch,),
                )
                return True
            if ours and self._holds_all_after(lane, sequence):
                self._db.execute(
                    "UPDATE reports SET acknowledged_at = NULL WHERE epoch = ? AND sequence > ?",
                    (epoch, sequence),
                )
                return True
            self._begin_anew()
            return False

    def _is_ours(self, lane: str, sequence: int, chain: str) -> bool:
        epoch = self._end_of(lane)[0]
        if sequence == 0:
            return chain == bodies.first_chain(epoch)
        row = self._db.execute(
            "SELECT chain FROM reports WHERE epoch = ? AND sequence = ?", (epoch, sequence)
        ).fetchone()
        return row is not None and row[0] == chain

    def _holds_all_after(self, lane: str, sequence: int) -> bool:
        epoch, last, _ = self._end_of(lane)
        held = self._db.execute(
            "SELECT COUNT(*) FROM reports WHERE epoch = ? AND sequence > ? AND body IS NOT NULL",
            (epoch, sequence),
        ).fetchone()[0]
        return bool(held == last - sequence and held > 0)

    def _begin_anew(self) -> None:
        """Become a new store with a new epoch in each lane, taking along what waits."""
        waiting = self._db.execute(
            "SELECT lane, body, wall, steady, boot FROM reports "
            "WHERE acknowledged_at IS NULL ORDER BY lane, sequence"
        ).fetchall()
        ends = {lane: self._end_of(lane) for lane in (LIVE, BACKFILL)}
        self._db.execute("DELETE FROM reports WHERE acknowledged_at IS NULL")
        self.put(store=uuid.uuid4().hex)
        for lane, (epoch, sequence, _chain) in ends.items():
            fresh = uuid.uuid4().hex
            continues = json.dumps({"epoch": epoch, "sequence": sequence}) if epoch else None
            self.put(
                **{
                    lane + ".epoch": fresh,
                    lane + ".sequence": "0",
                    lane + ".chain": bodies.first_chain(fresh),
                    lane + ".continues": continues,
                }
            )
        for lane, body, wall, steady, boot in waiting:
            self._append(lane, json.loads(body.decode("utf-8")), (wall, steady, boot))

    def forget_reports(self) -> None:
        """Begin anew without what waits: it belongs to the device this machine was before."""
        with self._transaction():
            self._db.execute("DELETE FROM reports")
            self._db.execute("DELETE FROM rows")
            self._begin_anew()
            self.put(**{lane + ".continues": None for lane in (LIVE, BACKFILL)})

    def set_aside(self, waiting: Waiting, status: int, detail: str, at: clock.Instant) -> bool:
        """Keep a body nobody will take, and put its sequence emptied in its place.

        Returns False when it was empty already: then there is nothing left to take out.
        """
        with self._transaction():
            lane, later = self._from(waiting)
            report = json.loads(waiting.body.decode("utf-8"))
            bare = bodies.emptied(report, str(uuid.uuid4()))
            if not any(part in report for part in bodies.CONTENT):
                return False
            self._db.execute(
                "INSERT INTO set_aside (wall, status, detail, body) VALUES (?, ?, ?, ?)",
                (at.wall, status, detail[:1000], waiting.body),
            )
            self._db.execute(
                "DELETE FROM set_aside WHERE id <= (SELECT MAX(id) FROM set_aside) - ?",
                (_MOST_SET_ASIDE,),
            )
            self._rewind(lane, waiting)
            self._append(lane, bare, waiting.composed)
            for body, wall, steady, boot in later:
                self._append(lane, json.loads(body.decode("utf-8")), (wall, steady, boot))
        return True

    def _from(self, waiting: Waiting) -> Tuple[str, List[Tuple[bytes, float, float, str]]]:
        lane = self._db.execute(
            "SELECT lane FROM reports WHERE epoch = ? AND sequence = ?",
            (waiting.epoch, waiting.sequence),
        ).fetchone()[0]
        later = self._db.execute(
            "SELECT body, wall, steady, boot FROM reports WHERE epoch = ? AND sequence > ? "
            "ORDER BY sequence",
            (waiting.epoch, waiting.sequence),
        ).fetchall()
        return lane, later

    def _rewind(self, lane: str, waiting: Waiting) -> None:
        before = json.loads(waiting.body.decode("utf-8"))["previous"]
        self._db.execute(
            "DELETE FROM reports WHERE epoch = ? AND sequence >= ?",
            (waiting.epoch, waiting.sequence),
        )
        self.put(**{lane + ".sequence": str(waiting.sequence - 1), lane + ".chain": before})

    # --- for people

    def counts(self) -> Dict[str, int]:
        """Return how much waits: rows, reports; and how many were set aside."""
        queries = {
            "rows_waiting": "SELECT COUNT(*) FROM rows",
            "reports_waiting": "SELECT COUNT(*) FROM reports WHERE acknowledged_at IS NULL",
            "set_aside": "SELECT COUNT(*) FROM set_aside",
        }
        return {name: self._db.execute(sql).fetchone()[0] for name, sql in queries.items()}

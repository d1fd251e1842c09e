"""What the agent keeps on disk: its key, rows not yet reported, reports not yet acknowledged.

Every method is one transaction, so a power cut at any instant leaves the state before or after it.
"""

from __future__ import annotations

import json
import sqlite3
import uuid
from contextlib import suppress
from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Tuple

from moorage_agent import bodies, clock, identity
from moorage_agent.configs import Configs
from moorage_agent.database import FILE, Database
from moorage_agent.messages import BACKFILL, LIVE
from moorage_agent.outbox import Outbox, Row
from moorage_agent.results import Outcome, Results

_SCHEMA = """
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
        file: str = FILE,
    ) -> None:
        """Open or make the file, owner-only. Raises OSError or sqlite3.Error."""
        self._db = Database(folder, file)
        self._db.script(_SCHEMA)
        self._outbox = Outbox(self._db, boot_id=boot_id, budget_bytes=waiting_bytes)
        self.results = Results(self._db)
        self.configs = Configs(self._db)
        self._folder, self._boot = folder, boot_id
        self._acknowledged_bytes = acknowledged_bytes
        self.get = self._db.get
        self.put = self._db.put
        self.transaction = self._db.transaction
        self.count_dropped = self._outbox.count_dropped
        self.mend = self._outbox.mend
        self.has_rows_before = self._outbox.has_before
        with self._db.transaction():
            if self.get("store") is None:
                self._begin_anew()

    def close(self) -> None:
        """Close the file."""
        with suppress(sqlite3.Error):
            self.keep_identity()
        self._db.close()

    def keep_identity(self) -> None:
        """Note beside the file who the device is by now. Raises sqlite3.Error."""
        identity.keep(self._folder, self.get)

    def enrolled(self, *, anew: bool, **values: Optional[str]) -> None:
        """Remember what enrolling gave, all at once.

        With ``anew`` it is another device from now on: what waits belonged to the one before.
        """
        with self._db.transaction():
            if anew:
                self._db.execute("DELETE FROM reports")
                self._outbox.clear()
                self.results.clear()
                self.configs.clear()
                self._begin_anew()
                self.put(**{lane + ".continues": None for lane in (LIVE, BACKFILL)})
            self.put(**values)

    # --- rows

    def add(self, rows: Iterable[Row]) -> None:
        """Keep rows of (part, moment, content); over the budget the oldest are let go, counted."""
        self._outbox.add(rows)

    # --- reports

    def compose(
        self,
        lane: str,
        head: Dict[str, Any],
        at: clock.Instant,
        *,
        past_before: float,
        only: Optional[str] = None,
    ) -> Waiting:
        """Make a lane's next report of ``head`` and the rows that belong to it.

        The live lane takes what was kept since ``past_before`` (a moment of this boot), the newest
        first, and what came of commands; backfill takes what is older, the oldest first. Rows whose
        clock was set since go with the time they have by the present one. ``only`` names the one
        part that goes, after the server would not take it among others: facts or commands; or
        the only rows that go: events.
        """
        with self._db.transaction():
            report = dict(head)
            if only in (None, "events"):
                past = lane == BACKFILL
                report.update(self._outbox.take(at, past_before=past_before, past=past, only=only))
            if lane == LIVE and only != "facts":
                told = self.results.take(refused=only == "commands")
                if told:
                    report["commands"] = told
            if lane == BACKFILL:
                report["backfill"] = True
            else:
                dropped = self._outbox.take_dropped()
                if dropped is not None:
                    report["dropped"] = dropped
            report["id"] = bodies.new_id(at.wall)
            return self._append(lane, report, (at.wall, at.steady, self._boot))

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

    def epoch(self, lane: str) -> str:
        """Return the lane's present epoch."""
        return self._end_of(lane)[0]

    def _end_of(self, lane: str) -> Tuple[str, int, str]:
        epoch = self.get(lane + ".epoch") or ""
        return epoch, int(self.get(lane + ".sequence") or 0), self.get(lane + ".chain") or ""

    def waits(self, lane: str) -> bool:
        """Whether the lane has a report that is not acknowledged; reads none of it."""
        unacknowledged = "SELECT 1 FROM reports WHERE lane = ? AND acknowledged_at IS NULL LIMIT 1"
        return self._db.execute(unacknowledged, (lane,)).fetchone() is not None

    def first_waiting(self, lane: str) -> Optional[Waiting]:
        """Return the lane's first report that is not acknowledged."""
        row = self._db.execute(
            "SELECT epoch, sequence, chain, body, wall, steady, boot FROM reports "
            "WHERE lane = ? AND acknowledged_at IS NULL ORDER BY sequence LIMIT 1",
            (lane,),
        ).fetchone()
        return None if row is None else Waiting(row[0], row[1], row[2], row[3], tuple(row[4:7]))

    def acknowledge(
        self, waiting: Waiting, at: clock.Instant, *, interval_s: Optional[float] = None
    ) -> None:
        """Mark a report as acknowledged; it stays a while for a server that was set back.

        ``interval_s`` is what the server asks for, remembered for the next start.
        """
        with self._db.transaction():
            self._db.execute(
                "UPDATE reports SET acknowledged_at = ? WHERE epoch = ? AND sequence = ?",
                (at.wall, waiting.epoch, waiting.sequence),
            )
            self.put(last_acknowledged_at=clock.rfc3339(at.wall), last_error=None)
            if interval_s is not None:
                self.put(interval_s=str(interval_s))

    def tidy(self, at: clock.Instant) -> None:
        """Let go of acknowledged bodies after a day or over budget, of chains after a week."""
        with self._db.transaction():
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

    # --- commands

    def finish(self, command_id: str, kind: str, outcome: Outcome, rows: Iterable[Row]) -> None:
        """Note what came of a command, and keep the rows it made."""
        with self._db.transaction():
            self._outbox.add(rows)
            self.results.finish(command_id, kind, outcome)

    def tell_again(self, command_id: str) -> None:
        """Have a result reported once more that the server has lost, unless a report holds it."""
        with self._db.transaction():
            held = self._db.execute(
                "SELECT EXISTS (SELECT 1 FROM reports WHERE acknowledged_at IS NULL "
                "AND INSTR(body, CAST(? AS BLOB)))",
                (json.dumps(command_id, ensure_ascii=False),),
            ).fetchone()[0]
            if not held:
                self.results.tell_again(command_id)

    # --- when the server's chain is not ours

    def resolve_fork(self, lane: str, sequence: int, chain: str) -> bool:
        """Make ready to go on after a fork; return True when the server has a beginning of ours.

        Then what it lacks is sent again as it was. Otherwise this store was set back or copied: it
        becomes a new store with new epochs, and what is not acknowledged goes there with its ids.
        """
        with self._db.transaction():
            epoch, last, _ = self._end_of(lane)
            ours = 0 <= sequence <= last and self._is_ours(lane, sequence, chain)
            if ours and sequence == last:
                # It has all of it: only its memory of the single report has lapsed.
                self._db.execute(
                    "UPDATE reports SET acknowledged_at = wall "
                    "WHERE epoch = ? AND acknowledged_at IS NULL",
                    (epoch,),
                )
                return True
            if ours:
                # Set back: it lacks these, acknowledged or not. Where some are not held any more
                # the rest cannot continue the chain, and goes along to the new epoch.
                self._db.execute(
                    "UPDATE reports SET acknowledged_at = NULL "
                    "WHERE epoch = ? AND sequence > ? AND body IS NOT NULL",
                    (epoch, sequence),
                )
                if self._holds_all_after(lane, sequence):
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
        return bool(held == last - sequence)

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

    def set_aside(self, waiting: Waiting, status: int, detail: str, at: clock.Instant) -> bool:
        """Keep a body nobody will take, and put its sequence emptied in its place.

        Returns False when it was empty already: then there is nothing left to take out.
        """
        with self._db.transaction():
            lane, later = self._from(waiting)
            report = json.loads(waiting.body.decode("utf-8"))
            if not any(part in report for part in bodies.CONTENT):
                return False
            bare = bodies.emptied(report, at.wall)
            lost = self.results.refused([one["id"] for one in report.get("commands", ())])
            if lost:
                bare.setdefault("dropped", {})["commands"] = lost
            self._db.execute(
                "INSERT INTO set_aside (wall, status, detail, body) VALUES (?, ?, ?, ?)",
                (at.wall, status, detail[:1000], waiting.body),
            )
            self._db.execute(
                "DELETE FROM set_aside WHERE id <= (SELECT MAX(id) FROM set_aside) - ?",
                (_MOST_SET_ASIDE,),
            )
            self._put_in_place(lane, waiting, bare, later)
        return True

    def put_back(self, waiting: Waiting, parts: Iterable[str]) -> None:
        """Keep these parts of a report as rows again, and put the rest of it in its place."""
        with self._db.transaction():
            lane, later = self._from(waiting)
            report = json.loads(waiting.body.decode("utf-8"))
            rows = {part: report.pop(part) for part in parts if part in report}
            if rows:
                self._put_in_place(
                    lane, waiting, dict(report, id=bodies.new_id(waiting.composed[0])), later
                )
                self._outbox.put_back(rows, waiting.composed)

    def _put_in_place(
        self,
        lane: str,
        waiting: Waiting,
        report: Dict[str, Any],
        later: List[Tuple[bytes, float, float, str]],
    ) -> None:
        self._rewind(lane, waiting)
        self._append(lane, report, waiting.composed)
        for body, wall, steady, boot in later:
            self._append(lane, json.loads(body.decode("utf-8")), (wall, steady, boot))

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
            "reports_waiting": "SELECT COUNT(*) FROM reports WHERE acknowledged_at IS NULL",
            "set_aside": "SELECT COUNT(*) FROM set_aside",
        }
        counts = {name: self._db.execute(sql).fetchone()[0] for name, sql in queries.items()}
        return {"rows_waiting": self._outbox.count(), **counts}

"""Which commands were run, and what came of them until the server knows.

A command comes with every answer until its result is in; whoever is remembered here is not run.
"""

from __future__ import annotations

import json
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from moorage_agent import keytext
from moorage_agent.database import Database

_SCHEMA = """
CREATE TABLE IF NOT EXISTS commands (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL,
    state TEXT NOT NULL, told TEXT);
CREATE INDEX IF NOT EXISTS commands_open ON commands (state, number)
    WHERE state IN ('begun', 'done', 'again', 'refused');
"""
# begun → done → told. The server lost it: told → again → told. It would not take the report:
# told → refused → told | lost.
BEGUN = "begun"
DONE = "done"
TOLD = "told"
AGAIN = "again"
REFUSED = "refused"
LOST = "lost"

# Finished ones that are remembered. The server sends none that is finished, so even one would do
# while nothing goes wrong; after it was set back it may send those of its lost hours once more.
_MOST_REMEMBERED = 1000
_MOST_AT_ONCE = 100
_LONGEST_ERROR = 1000


class Outcome(NamedTuple):
    """What came of a command; with an ``error`` it failed."""

    result: Dict[str, Any]
    error: Optional[str] = None


class Results:
    """The commands of one store."""

    def __init__(self, db: Database) -> None:
        """Keep them in the database."""
        db.script(_SCHEMA)
        self._db = db

    def state_of(self, command_id: str) -> Optional[str]:
        """Return how far a command is, or None when it is not known."""
        row = self._db.execute("SELECT state FROM commands WHERE id = ?", (command_id,)).fetchone()
        return None if row is None else str(row[0])

    def begin(self, command_id: str, kind: str) -> None:
        """Note that a command is about to be run, durably: it will not be begun again."""
        with self._db.transaction():
            self._db.execute(
                "INSERT INTO commands (id, kind, state) VALUES (?, ?, ?)",
                (command_id, kind, BEGUN),
            )

    def begun(self) -> List[Tuple[str, str]]:
        """Return (id, kind) of what was begun and not finished."""
        return list(
            self._db.execute("SELECT id, kind FROM commands WHERE state = 'begun' ORDER BY number")
        )

    def finish(self, command_id: str, kind: str, outcome: Outcome) -> None:
        """Note what came of a command, to be told; one that is finished stays as it is."""
        told: Dict[str, Any] = {"id": command_id, "state": "succeeded", "result": outcome.result}
        if outcome.error is not None:
            told["state"] = "failed"
            told["error"] = keytext.redacted(outcome.error)[:_LONGEST_ERROR]
        text = json.dumps(told)
        with self._db.transaction():
            self._db.execute(
                "INSERT OR IGNORE INTO commands (id, kind, state) VALUES (?, ?, ?)",
                (command_id, kind, BEGUN),
            )
            self._db.execute(
                "UPDATE commands SET state = ?, told = ? WHERE id = ? AND state = ?",
                (DONE, text, command_id, BEGUN),
            )
            self._db.execute(
                "DELETE FROM commands WHERE state IN (?, ?) AND number <= "
                "(SELECT MAX(number) FROM commands) - ?",
                (TOLD, LOST, _MOST_REMEMBERED),
            )

    def waits(self) -> bool:
        """Whether there is a result to tell at once; what is told again waits for its turn.

        Else a server that never takes a result would be told it as fast as it can answer.
        """
        row = self._db.execute(
            "SELECT EXISTS (SELECT 1 FROM commands WHERE state = 'done') "
            "OR EXISTS (SELECT 1 FROM commands WHERE state = 'refused')"
        ).fetchone()
        return bool(row[0])

    def has_refused(self) -> bool:
        """Whether there are results that the server would not take among other things."""
        row = self._db.execute(
            "SELECT EXISTS (SELECT 1 FROM commands WHERE state = 'refused')"
        ).fetchone()
        return bool(row[0])

    def take(self, *, refused: bool) -> List[Dict[str, Any]]:
        """Return results for a report, now told; part of a transaction.

        Those ``refused`` before go without what the command found out: only what became of it.
        """
        rows = self._db.execute(
            "SELECT id, told FROM commands WHERE state IN (?, ?) ORDER BY number LIMIT ?",
            (*((REFUSED, REFUSED) if refused else (DONE, AGAIN)), _MOST_AT_ONCE),
        ).fetchall()
        self._db.execute_many(
            "UPDATE commands SET state = ? WHERE id = ?", [(TOLD, row[0]) for row in rows]
        )
        return [json.loads(row[1]) for row in rows]

    def refused(self, command_ids: Sequence[str]) -> int:
        """Note that the server would not take a report with these; part of a transaction.

        They are told once more by themselves and without their findings, which stay with the
        report that is set aside. Returns how many were told so already, and are lost.
        """
        lost = 0
        for command_id in command_ids:
            row = self._db.execute(
                "SELECT told FROM commands WHERE id = ? AND state = ?", (command_id, TOLD)
            ).fetchone()
            if row is None:
                continue
            told = json.loads(row[0])
            if "result" not in told:
                self._set_state(command_id, LOST)
                lost += 1
                continue
            del told["result"]
            self._db.execute(
                "UPDATE commands SET state = ?, told = ? WHERE id = ?",
                (REFUSED, json.dumps(told), command_id),
            )
        return lost

    def tell_again(self, command_id: str) -> None:
        """Have a result told once more; part of a transaction."""
        self._db.execute(
            "UPDATE commands SET state = ? WHERE id = ? AND state = ?", (AGAIN, command_id, TOLD)
        )

    def clear(self) -> None:
        """Forget all; part of a transaction."""
        self._db.execute("DELETE FROM commands")

    def _set_state(self, command_id: str, state: str) -> None:
        self._db.execute("UPDATE commands SET state = ? WHERE id = ?", (state, command_id))

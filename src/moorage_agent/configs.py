"""The config documents of this device as the disk has them, and what reports say of them."""

from __future__ import annotations

import json
from typing import Any, Dict, Optional

from moorage_agent import __version__
from moorage_agent.applying_state import Memory, Problem, Target, Trying
from moorage_agent.database import Database

_LONGEST_ERROR = 1000
_NAMES = ("config_revision", "config_digest", "config_document", "config_trying", "config_problem")


class Configs:
    """The documents of one store: the last good one, one on its way, and what was of no use."""

    def __init__(self, db: Database) -> None:
        """Keep them in the database."""
        self._db = db

    def remember(self, memory: Memory) -> None:
        """Write it down, all or nothing."""
        good, trying, problem = memory
        self._db.put(
            config_revision=None if good is None else str(good.revision),
            config_digest=None if good is None else good.digest,
            config_document=None if good is None else json.dumps(good.document),
            config_trying=None if trying is None else json.dumps(_of_trying(trying)),
            config_problem=None if problem is None else json.dumps(_of_problem(problem)),
        )

    def memory(self) -> Memory:
        """Return what was written down last."""
        good, document = None, self.document()
        if document is not None:
            revision = int(self._db.get("config_revision") or 0)
            good = Target(revision, self.digest(), document)
        return Memory(good, self._trying(), self._problem())

    def document(self) -> Optional[Dict[str, Any]]:
        """Return the last good document."""
        return self._json("config_document")

    def digest(self) -> Optional[str]:
        """Return the digest of the last good document."""
        return self._db.get("config_digest")

    def settled_revision(self) -> Optional[int]:
        """Return the revision that needs no fetching: it runs, is tried, or is known to be no use.

        Another version of the agent may have more use for it, so that is tried once.
        """
        problem = self._problem()
        if problem is not None:
            return problem.revision if problem.agent_version is None else None
        trying = self._trying()
        if trying is not None:
            return trying.target.revision
        revision = self._db.get("config_revision")
        return None if revision is None else int(revision)

    def state(self) -> Optional[Dict[str, Any]]:
        """Return what reports say of it, or None before there is any document."""
        problem, trying = self._problem(), self._trying()
        if problem is not None:
            told = {"revision": problem.revision, "state": "failed", "error": problem.error}
            if problem.digest is not None:
                told["digest"] = problem.digest
            return told
        if trying is not None:
            revision, digest = trying.target.revision, trying.target.digest
            return {"revision": revision, "digest": digest, "state": "pending"}
        revision_text = self._db.get("config_revision")
        if revision_text is None:
            return None
        return {"revision": int(revision_text), "digest": self.digest(), "state": "applied"}

    def clear(self) -> None:
        """Forget all; part of a transaction."""
        self._db.put(**dict.fromkeys(_NAMES))

    def _trying(self) -> Optional[Trying]:
        found = self._json("config_trying")
        if found is None:
            return None
        target = Target(found["revision"], found["digest"], found["document"])
        return Trying(target, found["failure"], _pairs(found["blocked"]))

    def _problem(self) -> Optional[Problem]:
        found = self._json("config_problem")
        if found is None:
            return None
        version = found.get("agent_version")
        return Problem(
            int(found["revision"]),
            found["digest"],
            found["error"],
            _pairs(found.get("blocked", ())),
            None if version == __version__ else str(version),
        )

    def _json(self, name: str) -> Optional[Dict[str, Any]]:
        text = self._db.get(name)
        if text is None:
            return None
        found: Dict[str, Any] = json.loads(text)
        return found


def _of_trying(trying: Trying) -> Dict[str, Any]:
    return {**trying.target._asdict(), "failure": trying.failure, "blocked": trying.blocked}


def _of_problem(problem: Problem) -> Dict[str, Any]:
    version = __version__ if problem.agent_version is None else problem.agent_version
    error = problem.error[:_LONGEST_ERROR]
    return {**problem._asdict(), "error": error, "agent_version": version}


def _pairs(found: Any) -> Any:
    return tuple((str(name), str(what)) for name, what in found)


class Teller:
    """Which live reports say it: the first of each start and on change, until it is there."""

    def __init__(self, configs: Configs) -> None:
        """``configs``: of what to tell."""
        self._configs = configs
        self._there: Optional[Dict[str, Any]] = None
        self._under_way: Optional[Dict[str, Any]] = None

    def tell(self) -> Optional[Dict[str, Any]]:
        """Return what the live report that is being made says, or None when that is there."""
        state = self._configs.state()
        self._under_way = state if state != self._there else None
        return self._under_way

    def acknowledged(self) -> None:
        """Note that the live report under way has arrived."""
        if self._under_way is not None:
            self._there, self._under_way = self._under_way, None

    def refused(self) -> None:
        """Note that the server would not take the live report."""
        self._under_way = None

    def is_there(self) -> bool:
        """Whether the server has what there is to say."""
        return self._configs.state() == self._there

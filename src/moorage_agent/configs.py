"""The config document this device runs, the last one it could not use, and what it says of them."""

from __future__ import annotations

import json
from typing import Any, Dict, Optional

from moorage_agent import __version__, step
from moorage_agent.database import Database

_LONGEST_ERROR = 1000
_NAMES = ("config_revision", "config_digest", "config_document", "config_problem")


class Configs:
    """The documents of one store."""

    def __init__(self, db: Database) -> None:
        """Keep them in the database."""
        self._db = db

    def keep(self, config: step.Config) -> None:
        """Keep a document to run, or that one is of no use: then the last good one stays."""
        if config.problem is not None:
            problem = {
                "revision": config.revision,
                "digest": config.digest,
                "error": config.problem[:_LONGEST_ERROR],
                "agent_version": __version__,
            }
            self._db.put(config_problem=json.dumps(problem))
        elif config.document is None:
            self._db.put(config_revision=str(config.revision), config_problem=None)
        else:
            self._db.put(
                config_revision=str(config.revision),
                config_digest=config.digest,
                config_document=json.dumps(config.document),
                config_problem=None,
            )

    def document(self) -> Optional[Dict[str, Any]]:
        """Return the last good document."""
        text = self._db.get("config_document")
        if text is None:
            return None
        document: Dict[str, Any] = json.loads(text)
        return document

    def digest(self) -> Optional[str]:
        """Return the digest of the last good document."""
        return self._db.get("config_digest")

    def settled_revision(self) -> Optional[int]:
        """Return the revision that needs no fetching: it is run, or is known to be of no use.

        Another version of the agent may have more use for it, so that is tried once.
        """
        problem = self._problem()
        if problem is not None:
            same = problem["agent_version"] == __version__
            return int(problem["revision"]) if same else None
        revision = self._db.get("config_revision")
        return None if revision is None else int(revision)

    def state(self) -> Optional[Dict[str, Any]]:
        """Return what reports say of it, or None before there is any document."""
        problem = self._problem()
        if problem is not None:
            told = {"revision": problem["revision"], "state": "failed", "error": problem["error"]}
            if problem["digest"] is not None:
                told["digest"] = problem["digest"]
            return told
        revision = self._db.get("config_revision")
        if revision is None:
            return None
        return {"revision": int(revision), "digest": self.digest(), "state": "applied"}

    def clear(self) -> None:
        """Forget all; part of a transaction."""
        self._db.put(**dict.fromkeys(_NAMES))

    def _problem(self) -> Optional[Dict[str, Any]]:
        text = self._db.get("config_problem")
        if text is None:
            return None
        problem: Dict[str, Any] = json.loads(text)
        return problem


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

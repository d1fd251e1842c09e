"""The config document: is it one this agent can use, and what in it is for the agent itself. Pure.

What it wants to run stands in ``units``; how it comes to run that in ``applying``.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, Dict, Optional

from moorage_agent import messages, step, units

UPDATES = ("manual", "automatic")
LEVELS = ("debug", "info", "warning", "error")
_PARTS = ("config", "services", "streams")
_LONGEST_NAME = 128


def read(body: Dict[str, Any]) -> Optional[messages.Config]:
    """Return what ``GET /v1/config`` answered, with what is wrong with it; None if it is no answer.

    A document is refused as a whole: half of one is a state that nobody asked for.
    """
    revision, digest = messages.revision_of(body.get("revision")), body.get("digest")
    if revision is None or not isinstance(digest, str) or "document" not in body:
        return None
    document = body["document"]
    problem = _problem(document, digest)
    if problem is not None:
        told = digest if digest.isprintable() and len(digest) <= _LONGEST_NAME else None
        return messages.Config(revision, told, None, problem)
    return messages.Config(revision, digest, document, None)


def digest_of(document: Dict[str, Any]) -> str:
    """``sha256:`` + hex over the document as JSON with sorted keys and no spaces, UTF-8.

    Raises:
        ValueError: a text in it is no text.
        RecursionError: it is nested too deeply.

    """
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return "sha256:" + hashlib.sha256(text.encode("utf-8")).hexdigest()


def interval_of(document: Dict[str, Any]) -> Optional[float]:
    """Return the report interval that a usable document asks for."""
    interval = document["config"].get("report_interval_s")
    return None if interval is None else float(interval)


def level_of(document: Dict[str, Any]) -> str:
    """Return the log level that a usable document asks for."""
    return str(document["config"].get("log_level", "info"))


def _problem(document: Any, digest: str) -> Optional[str]:
    if not isinstance(document, dict):
        return "the document is not an object"
    try:
        seen = digest_of(document)
    except (ValueError, RecursionError) as error:
        return "the document cannot be written as JSON: %s" % type(error).__name__
    if seen != digest:
        return "the document is not the one its digest names; it is %s" % seen
    return problem_of(document)


def problem_of(document: Any) -> Optional[str]:
    """Return why a document cannot be applied, whatever the device has; None: it can be."""
    if not isinstance(document, dict):
        return "the document is not an object"
    wrong = [name for name in _PARTS if not isinstance(document.get(name), dict)]
    if wrong:
        return "/%s is not an object" % wrong[0]
    for name in ("services", "streams"):
        if not all(isinstance(entry, dict) for entry in document[name].values()):
            return "an entry of /%s is not an object" % name
    return _problem_for_the_agent(document["config"]) or _problem_of_services(document)


def _problem_of_services(document: Dict[str, Any]) -> Optional[str]:
    try:
        units.units_of(document)
    except units.Unusable as error:
        return str(error)
    return None


def _problem_for_the_agent(settings: Dict[str, Any]) -> Optional[str]:
    interval = settings.get("report_interval_s")
    shortest, longest = step.SHORTEST_INTERVAL_S, step.LONGEST_INTERVAL_S
    if interval is not None and (
        type(interval) not in (int, float) or not shortest <= interval <= longest
    ):
        return "/config/report_interval_s is not a number from %s to %s" % (shortest, longest)
    level = settings.get("log_level", "info")
    if level not in LEVELS:
        return "/config/log_level is not one of %s" % ", ".join(LEVELS)
    if settings.get("agent_updates", "manual") not in UPDATES:
        return "/config/agent_updates is not one of %s" % ", ".join(UPDATES)
    return None

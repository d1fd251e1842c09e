"""How bad a line of somebody else's log is, by what it says of itself. Pure."""

from __future__ import annotations

import re
from typing import Dict

SEVERITIES = ("debug", "info", "warning", "error", "critical")

_NAMES: Dict[str, str] = {
    "trace": "debug",
    "debug": "debug",
    "dbg": "debug",
    "info": "info",
    "information": "info",
    "inf": "info",
    "notice": "info",
    "warn": "warning",
    "warning": "warning",
    "wrn": "warning",
    "error": "error",
    "err": "error",
    "severe": "error",
    "critical": "critical",
    "crit": "critical",
    "fatal": "critical",
    "alert": "critical",
    "emerg": "critical",
    "panic": "critical",
}
_WORD = "|".join(sorted(_NAMES, key=len, reverse=True))
# Levels stand near the beginning; further on the same words are prose.
_LOOKED_AT = 200
# level=warn, "severity": "ERROR", lvl: info
_FIELD = re.compile(
    r"\b(?:level|severity|lvl|levelname)\"?\s*[=:]\s*\"?(%s)\b" % _WORD, re.IGNORECASE
)
# [ERROR], <warn>, (info)
_BRACKETED = re.compile(r"[\[<(]\s*(%s)\s*[\])>]" % _WORD, re.IGNORECASE)
# ERROR: ..., 2026-11-21 10:00:00,123 WARNING root ...; in capitals, or before a colon.
_CAPITALS = re.compile(r"(?:^|[\s|:])(%s)(?=[\s|:]|$)" % _WORD.upper())
_BEFORE_COLON = re.compile(r"^(?:\S+\s){0,3}?(%s):" % _WORD, re.IGNORECASE)
# E1121 10:00:00.000000, as in Go's glog.
_GLOG = re.compile(r"^([IWEF])\d{4} \d\d:\d\d:\d\d")
_BY_LETTER = {"I": "info", "W": "warning", "E": "error", "F": "critical"}
# <3>text, as in the kernel's ring and in what services tell journald.
_PRIORITY = re.compile(r"^<([0-7])>")
_BY_PRIORITY = ("critical",) * 3 + ("error", "warning", "info", "info", "debug")
_TRACEBACK = "Traceback (most recent call last)"


def of_line(text: str) -> str:
    """Return the severity that a line names, ``info`` when it names none."""
    head = text[:_LOOKED_AT]
    priority = _PRIORITY.match(head)
    if priority is not None:
        return of_priority(int(priority.group(1)))
    letter = _GLOG.match(head)
    if letter is not None:
        return _BY_LETTER[letter.group(1)]
    for pattern in (_FIELD, _BRACKETED, _BEFORE_COLON, _CAPITALS):
        found = pattern.search(head)
        if found is not None:
            return _NAMES[found.group(1).lower()]
    return "error" if head.startswith(_TRACEBACK) else "info"


def of_priority(priority: int) -> str:
    """Return the severity of syslog's priority, 0 to 7."""
    return _BY_PRIORITY[priority]

"""Starting this very program anew, in place.

The process becomes the new one (``exec``), with the same id. So it needs nobody to start it again,
and a service manager that would do so sees one that never ended.
"""

from __future__ import annotations

import os
import sys
from typing import List, Optional

from moorage_agent.facts import output_of

_STARTS_WITHIN_S = 60.0


def why_not() -> Optional[str]:
    """Return why this program would not come back, or None: it is started once to see.

    The file may have been replaced by something broken since; a process that goes on running is
    worth more than one that was restarted.
    """
    command = program()
    if command is None:
        return "not restarted: the agent cannot tell how it was started"
    if not output_of([*command, "version"], _STARTS_WITHIN_S):
        return "not restarted: the agent's program would not start again; install it anew first"
    return None


def restart() -> str:
    """Become a new process. Returns only when that did not work, with the reason."""
    command = program()
    if command is None:
        return "not restarted: the agent cannot tell how it was started"
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        os.execvp(command[0], [*command, *sys.argv[1:]])  # noqa: S606 - this very program
    except OSError as error:
        return "not restarted: %s" % error


def program() -> Optional[List[str]]:
    """Return how this process was started, without the arguments that are the agent's own."""
    try:
        with open("/proc/self/cmdline", "rb") as file:
            told = [os.fsdecode(part) for part in file.read().split(b"\0")[:-1]]
    except OSError:
        told = [sys.executable, "-m", "moorage_agent", *sys.argv[1:]]
    own = sys.argv[1:]
    if len(told) <= len(own) or (own and told[-len(own) :] != own):
        return None
    return [sys.executable or told[0], *told[1 : len(told) - len(own)]]

"""What may be asked of this device, and doing it.

A command is run once. What it leaves is committed together with the note that it ran; only what
cannot be undone by a rollback, or takes a while, is noted before.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from typing import Any, Callable, Deque, Dict, List, Optional, Tuple

from moorage_agent import __version__, clock, facts, update_trial
from moorage_agent.later import REBOOT, Finished, Later
from moorage_agent.logs import Collector, log
from moorage_agent.messages import Command
from moorage_agent.outbox import Row
from moorage_agent.results import TOLD, Outcome
from moorage_agent.store import Store
from moorage_agent.updates import UPDATE

RESTART = "restart_agent"
# What came of it, rows to keep with that, and what to do once both are on the disk.
Done = Tuple[Outcome, List[Row], Callable[[], None]]

_DEFAULT_DETAIL_S = 300
_LONGEST_DETAIL_S = 3600


class Runner:
    """Runs the commands of one agent."""

    def __init__(
        self,
        store: Store,
        collector: Collector,
        *,
        boot_id: str,
        later: Optional[Later] = None,
        why_no_restart: Callable[[], Optional[str]],
    ) -> None:
        """Keep the parts; ``why_no_restart`` says what stands against ending this process."""
        self._store = store
        self._boot_id = boot_id
        self._later = later
        self._finished: Deque[Finished] = deque()
        self._collector = collector
        self._why_no_restart = why_no_restart
        self._started = clock.now().steady
        self._kinds: Dict[str, Callable[[Dict[str, Any]], Done]] = {
            "ping": self._ping,
            "collect_logs": self._collect_logs,
        }

    def resume(self) -> None:
        """Answer what an earlier process began: a restart is done with this one's start.

        Of anything else nobody knows how far it came, and it is not tried again.
        """
        for command_id, kind in self._store.results.begun():
            if kind == UPDATE and update_trial.is_on():
                continue  # this is what it began; who wins the trial answers
            if kind == RESTART:
                outcome = Outcome({"agent_version": __version__, "restarted": True})
            elif kind == REBOOT and self._store.get("reboot_of_boot") not in (None, self._boot_id):
                outcome = Outcome({"rebooted": True})
            else:
                outcome = Outcome(
                    {},
                    "the agent was interrupted while it did this; look at the "
                    "device before you ask for it again",
                )
            self._store.finish(command_id, kind, outcome, [])

    def give_up_restart(self, reason: str) -> None:
        """Answer restarts that were begun and did not come about."""
        for command_id, kind in self._store.results.begun():
            if kind == RESTART:
                self._store.finish(command_id, kind, Outcome({}, reason), [])

    def run(self, command: Command, *, expired: bool, again: bool) -> bool:
        """Do what is asked unless it is known; return whether this process is to be restarted.

        Raises:
            sqlite3.OperationalError: the disk; nothing was done, and the command comes again.

        """
        known = self._store.results.state_of(command.id)
        if known is not None:
            if again and known == TOLD:
                self._store.tell_again(command.id)
            return False
        log.info("command %s: %s", command.id, command.kind)
        rows: List[Row] = []
        after = _nothing
        if expired:
            outcome = Outcome({}, "expired: it came after its time was over, and was not run")
        elif command.kind == RESTART:
            reason = self._why_no_restart()
            if reason is None:
                self._store.results.begin(command.id, command.kind)
                return True
            outcome = Outcome({}, reason)
        elif self._later is not None and command.kind in self._later.kinds:
            reason = self._later.why_not(command)
            if reason is None:
                self._begin(self._later, command)
                return False
            outcome = Outcome({}, reason)
        else:
            outcome, rows, after = self._outcome(command)
        self._store.finish(command.id, command.kind, outcome, rows)
        after()
        if outcome.error is not None:
            log.warning("command %s failed: %s", command.id, outcome.error)
        return False

    def _begin(self, later: Later, command: Command) -> None:
        if command.kind == REBOOT:
            self._store.put(reboot_of_boot=self._boot_id)
        self._store.results.begin(command.id, command.kind)
        later.begin(command)

    def finished(self, finished: Finished) -> None:
        """Take in what came of a command that took a while; ``go_on`` writes it down."""
        self._finished.append(finished)

    def go_on(self) -> None:
        """Write down what is finished. Raises sqlite3.OperationalError: it stays for later."""
        while self._finished:
            command, outcome = self._finished[0]
            self._store.finish(command.id, command.kind, outcome, [])
            self._finished.popleft()
            if outcome.error is not None:
                log.warning("command %s failed: %s", command.id, outcome.error)

    def is_new(self, command: Command) -> bool:
        """Whether the command was neither run nor begun."""
        return self._store.results.state_of(command.id) is None

    def _outcome(self, command: Command) -> Done:
        work = self._kinds.get(command.kind)
        if work is None:
            later = [] if self._later is None else list(self._later.kinds)
            known = ", ".join([*self._kinds, RESTART, *later])
            text = "agent %s cannot do %r; it can do %s" % (__version__, command.kind, known)
            return Outcome({}, text), [], _nothing
        try:
            return work(command.arguments)
        except sqlite3.OperationalError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one, the agent goes on
            return Outcome({}, "%s: %s" % (type(error).__name__, error)), [], _nothing

    def _ping(self, _arguments: Dict[str, Any]) -> Done:
        """Answer; ``uptime_s`` is the machine's as in reports, ``agent_uptime_s`` the agent's."""
        result = {
            "agent_version": __version__,
            "uptime_s": facts.uptime_s(),
            "agent_uptime_s": round(clock.now().steady - self._started),
        }
        return Outcome(result), [], _nothing

    def _collect_logs(self, arguments: Dict[str, Any]) -> Done:
        """Report the lines that the log level holds back, and for a while all that follow.

        The agent holds the last 500 lines that its log level keeps out of reports. They go out with
        the next report, each once, and until ``for_s`` seconds are over (300 unless told, 0 to
        3600, not beyond a restart) every line is reported from debug on. Lines of the level have
        been reported anyway. The result says how many lines were held back.
        """
        for_s = arguments.get("for_s", _DEFAULT_DETAIL_S)
        if type(for_s) is not int or not 0 <= for_s <= _LONGEST_DETAIL_S:
            text = "for_s is whole seconds from 0 to %d" % _LONGEST_DETAIL_S
            return Outcome({}, text), [], _nothing
        rows = self._collector.held_back()
        until = clock.now().steady + for_s
        result = {"lines": len(rows), "for_s": for_s}
        return Outcome(result), rows, lambda: self._collector.let_go(rows, until)


def _nothing() -> None:
    """Do nothing after."""

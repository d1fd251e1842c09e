"""The edge of ``applying``: carries out its effects, and tells it what the drivers see.

What the disk must hold is written in the loop's thread, in order; whatever follows waits until that
is done. What takes time is done in a thread of its own, and comes back as a message.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import deque
from typing import Any, Callable, Deque, Dict, List, Optional, Protocol

from moorage_agent import applying, clock, services_told, verdicts
from moorage_agent.applying_state import (
    EFFECTS,
    ON_UNITS,
    Answer,
    Done,
    Effect,
    Message,
    Observed,
    OnUnit,
    Prepare,
    Remember,
    Remove,
    Restart,
    Start,
    StartStream,
    State,
    StopStream,
    name_of,
)
from moorage_agent.drivers import Driver, DriverError
from moorage_agent.logs import log
from moorage_agent.results import Outcome
from moorage_agent.store import Store
from moorage_agent.units import Wanted

# How often drivers are asked: while something is being changed, and else.
WATCH_FAST_S = 0.5
WATCH_SLOW_S = 5.0
STATS_EVERY_S = 25.0


class Streams(Protocol):
    """What runs streams; its methods return at once."""

    def start(self, stream_id: str, spec: Dict[str, Any]) -> None:
        """Have it run as this says."""

    def forget(self, stream_id: str) -> None:
        """Have it run no more: it left the config."""

    def states(self) -> List[Dict[str, Any]]:
        """Return what each does right now."""

    def close(self) -> None:
        """End them all."""


class Applier:
    """Drivers, streams and the disk, for one agent."""

    def __init__(
        self,
        store: Store,
        drivers: List[Driver],
        streams: Optional[Streams],
        deliver: Callable[[Message], None],
    ) -> None:
        """``deliver`` takes messages, from any thread."""
        self._store = store
        self._drivers = {driver.name: driver for driver in drivers}
        self._streams = streams
        self._deliver = deliver
        self._owed: Deque[Effect] = deque()
        self._ended = threading.Event()
        self._wakes = {name: threading.Event() for name in self._drivers}
        self._fast = True
        # By driver: each has a thread of its own, and what it no longer measures is gone.
        self._stats: Dict[str, services_told.Stats] = {}
        self._stats_at: Dict[str, float] = {}
        self._told_services: Optional[List[Dict[str, Any]]] = None
        self._told_streams: Optional[List[Dict[str, Any]]] = None
        self._watchers: List[threading.Thread] = []
        self._wanted: Optional[Wanted] = None

    def begin(self) -> None:
        """Start to watch."""
        for driver in self._drivers.values():
            watcher = threading.Thread(
                target=self._watch, args=(driver,), name="watch-" + driver.name, daemon=True
            )
            watcher.start()
            self._watchers.append(watcher)

    def close(self) -> None:
        """End what cannot go on without this process."""
        self._ended.set()
        self._hurry()
        if self._streams is not None:
            self._streams.close()
        for driver in self._drivers.values():
            driver.close()

    # --- effects

    def take(self, effect: Any) -> bool:
        """Take an effect in, to be carried out by ``go_on``; return whether it is one of these."""
        if isinstance(effect, EFFECTS):
            self._owed.append(effect)
            return True
        return False

    def go_on(self, state: State) -> bool:
        """Carry out what is owed, in order; return whether the disk has another memory by that.

        Raises:
            sqlite3.OperationalError: the disk; it and what follows stay owed.

        """
        remembered = False
        while self._owed:
            effect = self._owed[0]
            if isinstance(effect, Remember):
                self._store.configs.remember(effect.memory)
                remembered = True
            elif isinstance(effect, Answer):
                self._answer(effect)
            elif isinstance(effect, ON_UNITS):
                name = "%s-%s" % (type(effect).__name__.lower(), name_of(effect))
                threading.Thread(target=self._do, args=(effect,), name=name, daemon=True).start()
            else:
                self._on_stream(effect)
            self._owed.popleft()
        self._tell(state)
        fast = applying.is_applying(state) or bool(state.busy)
        hurries, self._fast = fast and not self._fast, fast
        if hurries:
            self._hurry()
        return remembered

    def _tell(self, state: State) -> None:
        """Have the drivers know what is in force: some of it they look after by themselves."""
        kept_s = verdicts.images_kept_s(state.memory.in_force())
        wanted = Wanted(state.units, kept_s, settled=not applying.is_applying(state))
        if wanted == self._wanted:
            return
        self._wanted = wanted
        for driver in self._drivers.values():
            driver.want(wanted)

    def _hurry(self) -> None:
        for wake in self._wakes.values():
            wake.set()

    def is_settled(self) -> bool:
        """Whether nothing is owed."""
        return not self._owed

    def _answer(self, answer: Answer) -> None:
        result = {} if answer.error is not None else {"restarted": True}
        outcome = Outcome(result, answer.error)
        self._store.finish(answer.command_id, "restart_service", outcome, [])
        if answer.error is not None:
            log.warning("command %s failed: %s", answer.command_id, answer.error)

    def _on_stream(self, effect: Any) -> None:
        if self._streams is None:
            return
        try:
            if isinstance(effect, StartStream):
                self._streams.start(effect.stream_id, effect.spec)
            elif isinstance(effect, StopStream):
                self._streams.forget(effect.stream_id)
        except sqlite3.Error:
            raise
        except Exception as error:  # noqa: BLE001 - a stream's error is never a config's
            log.error("stream %s: %s", effect.stream_id, error)

    def _do(self, effect: OnUnit) -> None:
        done = Done(0.0, effect)
        try:
            self._on_unit(effect)
        except DriverError as error:
            done = Done(0.0, effect, str(error), error.again, error.blocked)
        except Exception as error:  # noqa: BLE001 - it must come back, or the unit is busy for ever
            done = Done(0.0, effect, "%s: %s" % (type(error).__name__, error), again=True)
        self._deliver(Done(clock.now().steady, effect, done.error, done.again, done.blocked))
        self._hurry()

    def _on_unit(self, effect: OnUnit) -> None:
        if isinstance(effect, Prepare):
            self._driver(effect.unit.driver).prepare(effect.unit)
        elif isinstance(effect, Start):
            self._driver(effect.unit.driver).start(effect.unit, effect.revision)
        elif isinstance(effect, Remove):
            self._driver(effect.driver).remove(effect.name)
        elif isinstance(effect, Restart):
            self._driver(effect.driver).restart(effect.name)

    def _driver(self, name: str) -> Driver:
        driver = self._drivers.get(name)
        if driver is None:
            raise DriverError("this agent runs no services of the kind %s" % name)
        return driver

    # --- what is seen

    def _watch(self, driver: Driver) -> None:
        said = None
        while not self._ended.is_set():
            asked_at = clock.now().steady
            try:
                seen = driver.seen()
            except Exception as error:  # noqa: BLE001 - a watcher that dies would be blind for ever
                seen = None
                if said != str(error):
                    said = str(error)
                    log.debug("cannot see what %s runs: %s", driver.name, error)
            if not self._ended.is_set():
                self._deliver(Observed(clock.now().steady, asked_at, driver.name, seen))
            self._measure(driver)
            wake = self._wakes[driver.name]
            wake.wait(WATCH_FAST_S if self._fast else WATCH_SLOW_S)
            wake.clear()

    def _measure(self, driver: Driver) -> None:
        now = clock.now().steady
        if now - self._stats_at.get(driver.name, now - STATS_EVERY_S) < STATS_EVERY_S:
            return
        self._stats_at[driver.name] = now
        try:
            self._stats[driver.name] = driver.stats()
        except Exception as error:  # noqa: BLE001 - figures are worth no failure
            log.debug("cannot measure what %s runs: %s", driver.name, error)

    # --- what reports say

    def services(self, state: State, *, again: bool) -> Optional[List[Dict[str, Any]]]:
        """Return the rows for a live report; None: there are none, as it said before.

        ``again`` says it in any case.
        """
        stats = {name: told for one in list(self._stats.values()) for name, told in one.items()}
        rows = services_told.rows(state, stats)
        if not rows and not again and self._told_services == []:
            return None
        self._told_services = rows
        return rows

    def streams(self, *, again: bool) -> Optional[List[Dict[str, Any]]]:
        """Return the rows for a live report, as ``services``."""
        rows = [] if self._streams is None else self._streams.states()
        if not rows and not again and self._told_streams == []:
            return None
        self._told_streams = rows
        return rows

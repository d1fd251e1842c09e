"""The loop: carries out what ``step`` decides, and tells it what came of it."""

from __future__ import annotations

import platform
import queue
import random
import sqlite3
from typing import Any, Callable, Dict, Optional

from moorage_agent import (
    __version__,
    allowance,
    answers,
    applying,
    applying_state,
    clock,
    config,
    journal,
    keytext,
    local,
    messages,
    records,
    step,
    update_trial,
)
from moorage_agent.applier import Applier
from moorage_agent.commands import Runner
from moorage_agent.installed import App
from moorage_agent.joining import Joiner
from moorage_agent.keeping import Keeper
from moorage_agent.lanes import Lanes
from moorage_agent.later import Device, Finished, Later
from moorage_agent.logs import Collector, log, set_level
from moorage_agent.messages import BACKFILL, CONTROL, LIVE
from moorage_agent.moving import Reach, transport_to
from moorage_agent.reporter import Reporter
from moorage_agent.sender import Request
from moorage_agent.store import Store, Waiting
from moorage_agent.telemetry import Probe
from moorage_agent.transport import Transport, Unreachable
from moorage_agent.upkeep import MESSAGES as UPKEEP
from moorage_agent.upkeep import Upkeep

_WAKE_EVERY_S = 0.5
_TIDY_EVERY_S = 600.0
# Something to measure over, so that the first report has figures already.
_FIRST_AFTER_S = 1.0
# Rows older than so many intervals are history and go by the backfill lane.
_PAST_INTERVALS = 3
_PAST_LEAST_S = 90.0
# How long the server may hold an answer back; less than the transport waits for one.
_WAIT_S = 25


class Agent:
    """The device's side: one store, two lanes, one loop."""

    def __init__(  # noqa: PLR0913 - what its owner gives it
        self,
        store: Store,
        folder: str,
        collector: Collector,
        *,
        boot_id: str,
        transport: Callable[[], Transport],
        why_no_restart: Callable[[], Optional[str]] = lambda: None,
        app: Optional[App] = None,
        reach: Reach = transport_to,
    ) -> None:
        """Keep the parts.

        ``transport`` makes one connection holder for each lane; ``why_no_restart`` says what stands
        against starting this process anew, which is its owner's part, as is trying another ``app``.
        ``reach`` makes a connection holder to another address of the server.
        """
        self._store = store
        self._collector = collector
        self._boot_id = boot_id
        # Not a Queue: the put of that one must not be called from a signal handler.
        self._inbox: "queue.SimpleQueue[Any]" = queue.SimpleQueue()
        self._lanes = Lanes(
            store,
            transport,
            self._inbox,
            boot_id=boot_id,
            on_other_identity=self._on_other_identity,
        )
        self._probe = Probe(folder)
        self._streams = local.streams(folder, collector)
        drivers = local.drivers(store, folder, collector)
        self._applier = Applier(store, drivers, self._streams, self._inbox.put)
        self._journal = journal.Journal(folder, collector.line)
        self._keeper = keeper = Keeper(store, self._on_disk_failure)
        self._reporter = Reporter(store, folder, self._applier, keeper.failed, boot_id=boot_id)
        self._allowance = allowance.by_environment()
        self._upkeep = Upkeep(store, app, self._lanes, reach, self._inbox.put)
        device = Device(
            folder,
            self._streams,
            drivers,
            state=lambda: self._state.config,
            transport=self._lanes.new_transport,
            key=lambda: store.get("key"),
            deliver=self._inbox.put,
            reboot_command=local.reboot_command(),
            updater=self._upkeep.updater,
        )
        self._runner = Runner(
            store,
            collector,
            boot_id=boot_id,
            later=Later(device),
            why_no_restart=why_no_restart,
        )
        self._joiner = Joiner(store, self._lanes, self._on_other_identity)
        self._urgent = False
        self._tidied_at: Optional[float] = None
        self._stopping = False
        # Why the last attempt came to nothing, if it did; whether the key is another one by now;
        # whether the process is to be started anew.
        self.failure: Optional[str] = None
        self.enrolled_anew = False
        self.restart_asked = False
        self._ways: Dict[type, Callable[[Any, clock.Instant], None]] = {
            messages.Measure: self._measure,
            messages.Compose: self._compose_and_send,
            messages.Send: self._send_again,
            messages.Settle: self._settle,
            messages.ResolveFork: self._keeper.resolve_fork,
            messages.SetAside: self._set_aside,
            messages.PutBack: self._put_back,
            messages.Run: self._run,
            messages.Wait: self._wait,
            messages.Fetch: self._fetch,
            messages.Enrol: lambda effect, _now: self._joiner.ask(effect),
            messages.Join: self._join,
            messages.Note: self._note,
            messages.Stop: self._retire,
        }
        self._state = step.State(
            interval_s=float(store.get("interval_s") or 30),
            next_report_at=clock.now().steady + _FIRST_AFTER_S,
            config=applying.begin(store.configs.memory()),
        )

    def stop(self) -> None:
        """End the loop soon; safe in a signal handler."""
        self._stopping = True
        self._inbox.put(None)

    def run(self, *, once: bool = False) -> None:
        """Go on until stopped or retired.

        With ``once`` until a report got through and all that its answer asked for is answered, or
        until that failed.
        """
        self._state = records.replace(self._state, asks=not once)
        self._lanes.start()
        self._begin()
        try:
            while not self._stopping and not self._state.retired:
                try:
                    self._heed(self._tick())
                except sqlite3.OperationalError as error:
                    self._keeper.failed(error)
                self._wait_for_answers()
                if once and (self.failure or self._is_done()):
                    return
        finally:
            self._journal.close()
            self._applier.close()
            self._lanes.end()
            self._keeper.keep(self._collector.take(ending=True))

    def give_up_restart(self, reason: str) -> None:
        """Answer that the restart that was asked for did not come about."""
        log.error("%s", reason)
        self._runner.give_up_restart(reason)

    @property
    def update_ready(self) -> bool:
        """Whether a newer agent is to be tried in this one's place."""
        return self._upkeep.updater.is_ready

    def delivered(self) -> bool:
        """Whether a live report of this run has arrived, and none waits."""
        return self._reporter.composed and not self._store.waits(LIVE)

    def _is_done(self) -> bool:
        if not self.delivered() or self._store.results.waits():
            return False
        if self._state.lanes[CONTROL].failures:
            return True
        if applying.is_applying(self._state.config) or not self._applier.is_settled():
            return False
        if self._store.results.begun():
            return False
        settled = self._state.told_revision in (None, self._store.configs.settled_revision())
        return settled and self._reporter.has_told_config()

    def _on_disk_failure(self, text: str) -> None:
        self.failure = text

    def _begin(self) -> None:
        log.info("agent %s started on %s", __version__, platform.node())
        self._keeper.happened("agent.started", "the agent started", {"agent_version": __version__})
        try:
            # The clock may have been set since the agent ran last, in this same boot.
            self._store.mend(clock.now())
            self._runner.resume()
        except sqlite3.OperationalError as error:
            self._keeper.failed(error)
        self._honour_config()
        self._applier.begin()

    # --- from the world to step

    def _tick(self) -> messages.Tick:
        now = clock.now()
        # First what was said before the clock was set: it is to be mended like the rest.
        self._keeper.keep(self._collector.take())
        self._urgent |= self._keeper.watch_clock(now)
        self._upkeep.tick(now.steady)
        self._lanes.is_same_identity()
        if self._tidied_at is None or now.steady - self._tidied_at > _TIDY_EVERY_S:
            self._tidied_at = now.steady
            self._store.tidy(now)
        past = self._allowance.allows(now.steady)
        return messages.Tick(
            now=now.steady,
            waiting={LIVE: self._store.waits(LIVE), BACKFILL: past and self._store.waits(BACKFILL)},
            urgent=self._urgent or self._store.results.waits(),
            backlog=past and self._store.has_rows_before(self._past_before(now)),
            settled_revision=self._store.configs.settled_revision(),
            enrolled=self._store.get("key") is not None,
        )

    def _past_before(self, now: clock.Instant) -> float:
        return now.steady - max(_PAST_INTERVALS * self._state.interval_s, _PAST_LEAST_S)

    def _on_other_identity(self) -> None:
        self.enrolled_anew = self._stopping = True

    def _wait_for_answers(self) -> None:
        try:
            arrived = self._inbox.get(timeout=_WAKE_EVERY_S)
        except queue.Empty:
            return
        if isinstance(arrived, applying_state.MESSAGES):
            self._heed(arrived)
        elif isinstance(arrived, UPKEEP):
            self._upkeep.take(arrived)
            self._go_on()
        elif isinstance(arrived, Finished):
            self._runner.finished(arrived)
            self._go_on()
        elif arrived is not None:
            lane, about, outcome = arrived
            self._heed(self._message(lane, about, outcome))

    def _message(self, lane: str, about: Any, outcome: Any) -> messages.Message:
        message = answers.of_request(
            lane,
            about,
            outcome,
            now=clock.now().steady,
            luck=random.random(),
            is_new=self._runner.is_new,
            unchanged=self._state.told_revision if self._store.configs.digest() else None,
        )
        if not isinstance(about, Waiting) or isinstance(outcome, Unreachable):
            return message
        gone = about.epoch != self._store.epoch(lane)
        if gone and not isinstance(message, (messages.Retired, messages.KeyRefused)):
            return messages.Superseded(lane)
        return message

    # --- from step to the world

    def _heed(self, message: step.AnyMessage) -> None:
        self._note_failure(message)
        self._upkeep.hear(message)
        self._state, effects = step.step(self._state, message)
        for effect in effects:
            if self._applier.take(effect):
                continue
            try:
                self._carry_out(effect)
            except sqlite3.OperationalError as error:
                self._keeper.failed(error)
                lane = getattr(effect, "lane", None)
                if lane is not None:
                    # As if it had not been answered: what is on the disk is what counts.
                    failed = messages.Failed(lane, clock.now().steady, str(error), random.random())
                    self._state, _ = step.step(self._state, failed)
        self._go_on()

    def _go_on(self) -> None:
        """Do what is owed to the disk, in order; what the disk refuses is tried again."""
        try:
            for finished in self._upkeep.go_on():
                self._runner.finished(finished)
            self._stopping |= self.update_ready
            self._runner.go_on()
            if self._applier.go_on(self._state.config):
                self._honour_config()
                self._urgent = True
        except sqlite3.OperationalError as error:
            self._keeper.failed(error)

    def _note_failure(self, message: step.AnyMessage) -> None:
        if getattr(message, "lane", None) == CONTROL and self._store.get("key") is not None:
            return
        self.failure = step.failure_of(self._state, message) or self.failure

    def _carry_out(self, effect: step.AnyEffect) -> None:
        self._ways[type(effect)](effect, clock.now())

    def _measure(self, _effect: messages.Measure, now: clock.Instant) -> None:
        self._keeper.keep([("telemetry", now, self._probe.sample())])

    def _compose_and_send(self, effect: messages.Compose, now: clock.Instant) -> None:
        lane = effect.lane
        waiting = self._reporter.compose(
            lane,
            self._state.config,
            now,
            past_before=self._past_before(now),
            address=self._lanes.local_address(),
            bare=effect.bare,
        )
        if lane == LIVE:
            self._urgent = self._reporter.left_behind  # what had to stay behind follows at once
        self._send(lane, waiting, now)

    def _send_again(self, effect: messages.Send, now: clock.Instant) -> None:
        waiting = self._store.first_waiting(effect.lane)
        if waiting is not None:
            self._send(effect.lane, waiting, now)

    def _send(self, lane: str, waiting: Waiting, now: clock.Instant) -> None:
        if lane == BACKFILL:
            self._allowance.spend(now.steady, len(waiting.body))
        self._lanes.send(lane, waiting)

    def _note(self, effect: messages.Note, _now: clock.Instant) -> None:
        getattr(log, effect.severity)(effect.text)
        if effect.severity not in ("debug", "info"):
            self._store.put(last_error=keytext.redacted(effect.text))

    def _retire(self, _effect: messages.Stop, _now: clock.Instant) -> None:
        self._store.put(retired="yes", last_error="the device was deleted on the server")

    def _settle(self, effect: messages.Settle, now: clock.Instant) -> None:
        lane, waiting = effect.lane, self._lanes.under_way[effect.lane]
        if self._reporter.is_repeat(waiting):
            return
        self._store.acknowledge(waiting, now, interval_s=self._state.interval_s)
        self.failure = None
        if lane == LIVE:
            self._reporter.acknowledged(waiting, now)
            if self._reporter.composed:
                update_trial.prove()

    def _run(self, effect: messages.Run, _now: clock.Instant) -> None:
        if self.restart_asked or self.update_ready:
            return  # the rest comes again, to the next process
        if self._runner.run(effect.command, expired=effect.expired, again=effect.again):
            log.info("restarting, as asked")
            self.restart_asked = True
            self.stop()

    def _wait(self, effect: messages.Wait, _now: clock.Instant) -> None:
        path = "/v1/commands?wait=%d&config_revision=%d" % (_WAIT_S, effect.revision)
        self._lanes.request(CONTROL, Request("GET", path, b"", {}, effect))

    def _fetch(self, effect: messages.Fetch, _now: clock.Instant) -> None:
        digest = self._store.configs.digest()
        headers = {} if digest is None else {"If-None-Match": '"%s"' % digest}
        self._lanes.request(CONTROL, Request("GET", "/v1/config", b"", headers, effect))

    def _join(self, effect: messages.Join, _now: clock.Instant) -> None:
        self._urgent |= self._joiner.join(effect)

    def _honour_config(self) -> None:
        document = self._store.configs.document()
        if document is not None:
            set_level(self._collector, config.level_of(document))
            self._journal.want(journal.wanted(document["config"]))
            self._upkeep.honour(document["config"], clock.now().steady)

    def _put_back(self, effect: messages.PutBack, _now: clock.Instant) -> None:
        self._store.put_back(self._lanes.under_way[effect.lane], effect.parts)

    def _set_aside(self, effect: messages.SetAside, now: clock.Instant) -> None:
        self._keeper.set_aside(self._lanes.under_way[effect.lane], effect, now)
        if effect.lane == LIVE:
            self._reporter.refused(now)

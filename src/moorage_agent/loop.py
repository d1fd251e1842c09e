"""The loop: carries out what ``step`` decides, and tells it what came of it."""

from __future__ import annotations

import os
import platform
import queue
import random
import threading
import uuid
from typing import Any, Callable, Dict, List, Optional

from moorage_agent import __version__, bodies, clock, facts, step
from moorage_agent.logs import Collector, log
from moorage_agent.step import BACKFILL, LIVE
from moorage_agent.store import Store, Waiting
from moorage_agent.telemetry import Probe
from moorage_agent.transport import Answer, Transport, Unreachable

_WAKE_EVERY_S = 0.5
_TIDY_EVERY_S = 600.0
_JUMP_S = 2.0
# Rows older than so many intervals are history and go by the backfill lane.
_PAST_INTERVALS = 3
_PAST_LEAST_S = 90.0


class Sender(threading.Thread):
    """One lane's requests, so that a hanging one delays neither the samples nor the other lane."""

    def __init__(self, lane: str, transport: Transport, inbox: "queue.Queue[Any]") -> None:
        """Answers go to ``inbox`` as (lane, waiting, answer or Unreachable)."""
        super().__init__(name="send-" + lane, daemon=True)
        self.lane = lane
        self.jobs: "queue.Queue[Optional[Any]]" = queue.Queue()
        self.transport = transport
        self._inbox = inbox

    def run(self) -> None:
        """Send until told to stop."""
        while True:
            job = self.jobs.get()
            if job is None:
                self.transport.close()
                return
            waiting, headers = job
            outcome: Any
            try:
                outcome = self.transport.post("/v1/reports", waiting.body, headers)
            except Unreachable as error:
                outcome = error
            except Exception as error:  # noqa: BLE001 - a lane that dies would be silent for ever
                outcome = Unreachable("%s: %s" % (type(error).__name__, error))
            self._inbox.put((self.lane, waiting, outcome))


class Agent:
    """The device's side: one store, two lanes, one loop."""

    def __init__(
        self,
        store: Store,
        folder: str,
        collector: Collector,
        *,
        boot_id: str,
        transport: Callable[[], Transport],
    ) -> None:
        """Keep the parts; ``transport`` makes one connection holder for each lane."""
        self._store = store
        self._folder = folder
        self._collector = collector
        self._boot_id = boot_id
        self._key = store.get("key") or ""
        self._inbox: "queue.Queue[Any]" = queue.Queue()
        self._senders = {lane: Sender(lane, transport(), self._inbox) for lane in (LIVE, BACKFILL)}
        self._probe = Probe(folder)
        self._told: Optional[Dict[str, Any]] = None
        self._pending_facts: Optional[Dict[str, Any]] = None
        self._under_way: Dict[str, Waiting] = {}
        self._wall_offset: Optional[float] = None
        self._tidied_at = 0.0
        self._stopping = False
        self.delivered = 0
        self.failure: Optional[str] = None
        interval = float(store.get("interval_s") or 30)
        # A second to measure over, so that the first report has figures already.
        self._state = step.State(interval_s=interval, next_report_at=clock.now().steady + 1.0)

    def stop(self) -> None:
        """End the loop soon; safe in a signal handler."""
        self._stopping = True
        self._inbox.put(None)

    def run(self, *, once: bool = False) -> None:
        """Go on until stopped or retired; with ``once`` until one report got through or failed."""
        for sender in self._senders.values():
            sender.start()
        self._begin()
        try:
            while not self._stopping and not self._state.retired:
                self._take(self._tick())
                self._wait_for_answers()
                if once and (self.delivered or self.failure):
                    return
        finally:
            self._store.add(self._collector.take())
            for sender in self._senders.values():
                sender.jobs.put(None)

    def _begin(self) -> None:
        log.info("agent %s started on %s", __version__, platform.node())
        event = {
            "id": str(uuid.uuid4()),
            "event": "agent.started",
            "entity_type": "device",
            "description": "the agent started",
            "metadata": {"agent_version": __version__},
        }
        self._store.add([("events", clock.now(), event)])

    def _tick(self) -> step.Tick:
        now = clock.now()
        self._watch_clock(now)
        rows = self._collector.take()
        if rows:
            self._store.add(rows)
        if now.steady - self._tidied_at > _TIDY_EVERY_S:
            self._tidied_at = now.steady
            self._store.tidy(now)
        return step.Tick(
            now=now.steady,
            waiting={
                lane: self._store.first_waiting(lane) is not None for lane in (LIVE, BACKFILL)
            },
            backlog=self._store.has_rows_before(self._past_before(now)),
        )

    def _past_before(self, now: clock.Instant) -> float:
        return now.steady - max(_PAST_INTERVALS * self._state.interval_s, _PAST_LEAST_S)

    def _watch_clock(self, now: clock.Instant) -> None:
        offset = now.wall - now.steady
        before, self._wall_offset = self._wall_offset, offset
        if before is None or abs(offset - before) <= _JUMP_S:
            return
        log.warning(
            "the clock was set by %+.1f s; times not yet reported are mended", offset - before
        )
        event = {
            "id": str(uuid.uuid4()),
            "event": "agent.clock_jumped",
            "entity_type": "device",
            "description": "the device's clock was set",
            "metadata": {"seconds": round(offset - before, 3)},
        }
        self._store.add([("events", now, event)])

    def _wait_for_answers(self) -> None:
        try:
            arrived = self._inbox.get(timeout=_WAKE_EVERY_S)
        except queue.Empty:
            return
        if arrived is not None:
            lane, waiting, outcome = arrived
            self._take(self._message(lane, waiting, outcome))

    def _take(self, message: step.Message) -> None:
        self._state, effects = step.step(self._state, message)
        for effect in effects:
            self._carry_out(effect)

    def _carry_out(self, effect: step.Effect) -> None:
        now = clock.now()
        if isinstance(effect, step.Measure):
            self._store.add([("telemetry", now, self._probe.sample())])
        elif isinstance(effect, step.Compose):
            past = self._past_before(now)
            self._send(
                effect.lane,
                self._store.compose(
                    effect.lane, self._head(effect.lane, now), now, past_before=past
                ),
            )
        elif isinstance(effect, step.Send):
            waiting = self._store.first_waiting(effect.lane)
            if waiting is not None:
                self._send(effect.lane, waiting)
        elif isinstance(effect, step.Settle):
            self._settle(effect.lane, now)
        elif isinstance(effect, step.ResolveFork):
            self._resolve_fork(effect)
        elif isinstance(effect, step.SetAside):
            self._set_aside(effect, now)
        elif isinstance(effect, step.Note):
            getattr(log, effect.severity)(effect.text)
            if effect.severity != "info":
                self._store.put(last_error=effect.text)
        else:
            self._store.put(retired="yes", last_error="the device was deleted on the server")

    def _head(self, lane: str, now: clock.Instant) -> Dict[str, Any]:
        head: Dict[str, Any] = {
            "sent_at": clock.rfc3339(now.wall),
            "boot_id": self._boot_id,
            "uptime_s": facts.uptime_s(),
        }
        if lane == LIVE:
            told = facts.collect(self._folder, self._senders[LIVE].transport.local_address())
            if told != self._told:
                head["facts"] = self._pending_facts = told
        return {name: value for name, value in head.items() if value is not None}

    def _send(self, lane: str, waiting: Waiting) -> None:
        headers = {"Authorization": "Bearer " + self._key}
        present = bodies.device_time(waiting.composed, clock.now(), self._boot_id)
        if present is not None:
            headers["Moorage-Device-Time"] = present
        self._under_way[lane] = waiting
        self._senders[lane].jobs.put((waiting, headers))

    def _settle(self, lane: str, now: clock.Instant) -> None:
        self._store.acknowledge(self._under_way.pop(lane), now)
        if lane == LIVE and self._pending_facts is not None:
            self._told, self._pending_facts = self._pending_facts, None
        self._store.put(interval_s=str(self._state.interval_s))
        self.delivered += 1

    def _resolve_fork(self, fork: step.ResolveFork) -> None:
        ours = self._store.resolve_fork(fork.lane, fork.sequence, fork.chain)
        if ours:
            log.warning(
                "the server was set back to report %d; sending again from there", fork.sequence
            )
        else:
            log.warning(
                "the server has another history of this store: this disk was set back or copied. "
                "Going on as a new store"
            )

    def _set_aside(self, effect: step.SetAside, now: clock.Instant) -> None:
        waiting = self._under_way.pop(effect.lane)
        if self._store.set_aside(waiting, effect.status, effect.detail, now):
            log.error(
                "the server cannot take report %d (%d: %s); set aside, its place goes emptied",
                *(waiting.sequence, effect.status, effect.detail),
            )
        else:
            log.error("the server refuses an empty report: %s", effect.detail)

    def _message(  # noqa: PLR0911 - one return an answer reads best
        self, lane: str, waiting: Waiting, outcome: Any
    ) -> step.Message:
        now, luck = clock.now().steady, random.random()
        if isinstance(outcome, Unreachable):
            self.failure = str(outcome)
            return step.Failed(lane, now, str(outcome), luck)
        answer: Answer = outcome
        body = answer.body or {}
        code = body.get("code")
        detail = str(body.get("detail", ""))[:300]
        if answer.status == 200 and body.get("chain") == waiting.chain:
            return step.Acknowledged(lane, now, _number(body.get("report_interval_s")))
        if answer.status in (401, 403) and code is not None:
            self.failure = "the server refuses the key: %s" % detail
            return step.KeyRefused(lane, now, luck)
        if answer.status == 409 and isinstance(body.get("sequence"), int):
            return step.Forked(lane, now, body["sequence"], str(body.get("chain", "")))
        if answer.status == 410 and code == "device_retired":
            return step.Retired(lane)
        if answer.status in (413, 422) and code is not None:
            return step.Unacceptable(lane, now, answer.status, detail)
        reason = "the server answered %d %s" % (answer.status, detail)
        if code is None:
            # A captive portal or a proxy answers for the server; nothing it says counts.
            reason = "something that is not the server answered %d" % answer.status
        self.failure = reason.strip()
        return step.Failed(lane, now, self.failure, luck, answer.retry_after_s)


def _number(value: Any) -> Optional[float]:
    return float(value) if isinstance(value, (int, float)) and value > 0 else None


def data_folder(chosen: Optional[str]) -> str:
    """Return the folder of the store: as chosen, by MOORAGE_AGENT_DIR, or by who runs this."""
    if chosen:
        return os.path.abspath(chosen)
    named = os.environ.get("MOORAGE_AGENT_DIR")
    if named:
        return os.path.abspath(named)
    if os.geteuid() == 0:
        return "/var/lib/moorage-agent"
    return os.path.expanduser("~/.local/share/moorage-agent")


__all__: List[str] = ["Agent", "data_folder"]

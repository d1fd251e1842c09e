"""A virtual device: the agent's own decisions over a memory of its own. No clock, no socket.

Whoever carries it asks ``advance`` what to send when ``wake_at`` has come, and brings each outcome
to ``answered``.
"""

import math
import uuid
from collections.abc import Callable
from typing import Any, ClassVar

from moorage.simulator import behaviour
from moorage.simulator.account import Account
from moorage.simulator.asked import Asked
from moorage.simulator.behaviour import Fate, Nature
from moorage.simulator.memory import Memory, Row, Waiting
from moorage.simulator.sending import Outcome, Request, Unreachable
from moorage_agent import answers, clock, messages, step
from moorage_agent.messages import BACKFILL, LIVE
from moorage_agent.records import replace
from moorage_agent.transport import Answer

# As the agent: rows older than so many intervals are history and go by the backfill lane.
_PAST_INTERVALS = 3
_PAST_LEAST_S = 90.0
# No device is looked at more often, whatever there is to do.
_LEAST_PAUSE_S = 0.05
_CONFIG_AGAIN_S = 60.0
_OFFLINE = "the device's network was down"


class VirtualDevice:
    """One device. ``account`` is shared by a fleet."""

    def __init__(  # noqa: PLR0913 - the parts of a device
        self,
        nature: Nature,
        name: str,
        account: Account,
        now: clock.Instant,
        *,
        interval_s: float,
        obeys: bool = True,
        memory: Memory | None = None,
        at_once: bool = False,
    ) -> None:
        """Begin to live at ``now``.

        ``obeys``: take the interval that the server asks for. ``at_once``: report right away, not
        at some time within the first interval.
        """
        self.nature = nature
        self.name = name
        self.memory = memory or Memory()
        self.faulty = False
        self.switched_on = True
        self.gone = False
        self._account = account
        self._obeys = obeys
        self._began = now.steady
        self._asked = Asked()
        self._finishing = False
        self._urgent = False
        self._powered = False
        self._boots = 0
        self._facts_told = False
        self._samples = 0
        self._sendings = 0
        self._config: dict[str, Any] | None = None
        self._config_told = False
        self._told_revision: int | None = None
        self._ask_config_at = math.inf
        first = now.steady + (0.0 if at_once else behaviour.first_after(nature) * interval_s)
        self._state = step.State(interval_s=interval_s, next_report_at=first, asks=False)
        self._boot(now, first)
        self.wake_at = first

    # --- what is done to it

    def happened(self, event: str, description: str, now: clock.Instant, **more: Any) -> None:
        """Note an event; it is reported at once."""
        told = {"id": str(uuid.uuid4()), "event": event, "entity_type": "device"}
        self._keep([Row("events", now, {**told, "description": description, **more})])
        self._urgent = True
        self.wake_at = now.steady

    def switch(self, now: clock.Instant, *, on: bool) -> None:
        """Take it off the network, or back: meanwhile it measures on."""
        self.switched_on = on
        self.wake_at = now.steady

    def finish(self, now: clock.Instant) -> None:
        """Measure no more, suffer no more, and deliver what is left."""
        if not self._powered:
            self._boot(now, now.steady)
        self._finishing = self.switched_on = True
        self._state = replace(self._state, next_report_at=math.inf)
        self.wake_at = now.steady

    @property
    def is_done(self) -> bool:
        """Whether everything that was gathered is delivered, or never will be."""
        if self.gone:
            return True
        waits = any(lane.waiting is not None for lane in self.memory.lanes.values())
        return not (waits or self.memory.rows or self._asked.waits)

    # --- what it does

    def advance(self, now: clock.Instant) -> list[Request]:
        """Decide what to send now; sets ``wake_at`` to when to ask again at the latest."""
        if self.gone:
            self.wake_at = math.inf
            return []
        off_until = self._outage_until(now)
        if off_until is not None and self.nature.profile.faults.outage == "power":
            self._powered = False
            self.wake_at = off_until
            return []
        if not self._powered:
            self._boot(now, now.steady)
        connected = self.switched_on and off_until is None
        requests = self._heed(self._tick(now), now)
        if connected and now.steady >= self._ask_config_at:
            self._ask_config_at = math.inf
            requests.append(self._question())
        if not connected:
            for request in requests:
                # Not even a connection: nothing was sent, and there is no luck to draw.
                self._account.failures[_OFFLINE] += 1
                self._fail(request, _OFFLINE, now)
            requests = []
        for request in requests:
            self._count_sending(request)
        self._plan(now)
        return requests

    def answered(self, request: Request, outcome: Outcome, now: clock.Instant) -> None:
        """Take what came of a request; ``wake_at`` says when to go on."""
        if self.gone:
            return
        if request.boot != self._boots or not self._powered:
            # The power was cut meanwhile: nobody was there to hear it.
            self._account.answers_lost += isinstance(outcome, Answer)
            return
        if request.lane is None:
            self._take_config(outcome, now)
        elif isinstance(outcome, Unreachable):
            self._account.failures[outcome.reason] += 1
            self._fail(request, outcome.reason, now)
        else:
            self._take_answer(request, outcome, now)
        self._plan(now)

    def _tick(self, now: clock.Instant) -> messages.Tick:
        return messages.Tick(
            now=now.steady,
            waiting={n: lane.waiting is not None for n, lane in self.memory.lanes.items()},
            urgent=self._is_urgent(now),
            backlog=self.memory.has_before(self._past_before(now)),
            settled_revision=self._told_revision,
        )

    def _is_urgent(self, now: clock.Instant) -> bool:
        left = self.memory.rows[-1:] if self._finishing else []
        fresh = bool(left) and left[0].at.steady >= self._past_before(now)
        return self._urgent or self._asked.waits or fresh

    def _past_before(self, now: clock.Instant) -> float:
        return now.steady - max(_PAST_INTERVALS * self._state.interval_s, _PAST_LEAST_S)

    def _heed(self, message: messages.Message, now: clock.Instant) -> list[Request]:
        self._state, effects = step.step(self._state, message)
        if self._finishing:
            self._state = replace(self._state, next_report_at=math.inf)
        requests = []
        for effect in effects:
            # Notes have no reader here, and the control lane asks nothing.
            way = self._ways.get(type(effect))
            request = None if way is None else way(self, effect, now)
            if request is not None:
                requests.append(request)
        return requests

    def _boot(self, now: clock.Instant, first: float) -> None:
        """Start: what was in flight is forgotten, what was remembered is not."""
        self._powered = True
        self._boots += 1
        self._facts_told = False
        self._state = step.State(
            interval_s=self._state.interval_s, next_report_at=first, asks=False
        )
        self.happened("device.booted", "the virtual device started", now)
        self._urgent = False  # it goes with the first report

    def _keep(self, rows: list[Row]) -> None:
        self._account.let_go += self.memory.add(rows)

    def _measure(self, _effect: messages.Measure, now: clock.Instant) -> None:
        if self._finishing:
            return
        turn = self._samples
        self._samples += 1
        rows = [Row("telemetry", now, behaviour.sample(self.nature, turn, faulty=self.faulty))]
        rows += [Row("logs", now, dict(line)) for line in behaviour.log_lines(self.nature, turn)]
        for event, description in behaviour.events(self.nature, turn):
            told = {"id": str(uuid.uuid4()), "event": event, "description": description}
            rows.append(Row("events", now, told))
        self._keep(rows)

    def _compose(self, effect: messages.Compose, now: clock.Instant) -> Request:
        lane = effect.lane
        head: dict[str, Any] = {"sent_at": clock.rfc3339(now.wall)}
        if lane == LIVE:
            self._urgent = False
            head |= self._present()
        past_before = math.inf if effect.bare else self._past_before(now)
        waiting = self.memory.compose(lane, head, now, past_before=past_before)
        self._count_made(lane, waiting)
        return self._request(lane, waiting)

    def _send_again(self, effect: messages.Send, _now: clock.Instant) -> Request | None:
        waiting = self.memory.lanes[effect.lane].waiting
        return None if waiting is None else self._request(effect.lane, waiting)

    def _present(self) -> dict[str, Any]:
        """Return what only the present holds: facts, what runs, config, results of commands."""
        told: dict[str, Any] = {}
        if not self._facts_told:
            told["facts"] = behaviour.facts(self.nature, self.name)
        if self.nature.profile.streams:
            told["streams"] = behaviour.streams(
                self.nature, self._samples, self._asked.streams, faulty=self.faulty
            )
        if self.nature.profile.services:
            told["services"] = behaviour.services(self.nature, self._samples, faulty=self.faulty)
        if self._config is not None and not self._config_told:
            told["config"] = self._config
        results = self._asked.take()
        if results:
            told["commands"] = results
        return told

    def _request(self, lane: str, waiting: Waiting) -> Request:
        fate = Fate.DELIVER
        if not self._finishing:
            fate = behaviour.fate(self.nature, self._sendings)
        self._sendings += 1
        headers = {"Content-Type": "application/json"}
        about = (lane, self._boots, waiting, fate)
        return Request("POST", "/v1/reports", waiting.body, headers, *about)

    def _question(self) -> Request:
        headers = {}
        if self._config is not None and "digest" in self._config:
            headers["If-None-Match"] = f'"{self._config["digest"]}"'
        return Request("GET", "/v1/config", b"", headers, None, self._boots)

    # --- answers

    def _take_answer(self, request: Request, answer: Answer, now: clock.Instant) -> None:
        lane = request.lane or LIVE
        waiting = self.memory.lanes[lane].waiting
        if request.waiting is None or waiting is not request.waiting:
            # It was put into a new epoch, or emptied, or this device has started anew since.
            self._heed(messages.Superseded(lane), now)
            return
        message = answers.message_of(
            answer, lane=lane, chain=waiting.chain, now=now.steady, luck=self._luck()
        )
        if isinstance(message, messages.Acknowledged):
            if not self._obeys:
                message = replace(message, interval_s=None)
            if message.revision is not None and message.revision != self._told_revision:
                self._told_revision = message.revision
                self._ask_config_at = now.steady
        else:
            self._account.failures[str(answer.status)] += 1
        self._heed(message, now)

    def _fail(self, request: Request, reason: str, now: clock.Instant) -> None:
        if request.lane is None:
            self._ask_config_at = now.steady + _CONFIG_AGAIN_S * self._luck()
        elif request.waiting is self.memory.lanes[request.lane].waiting:
            self._heed(messages.Failed(request.lane, now.steady, reason, self._luck()), now)

    def _luck(self) -> float:
        return self.nature.drawn("luck", self._sendings).random()

    def _take_config(self, outcome: Outcome, now: clock.Instant) -> None:
        """Apply a document, which for a virtual device is to have it and to say so."""
        body = outcome.body or {} if isinstance(outcome, Answer) else {}
        revision, digest = messages.revision_of(body.get("revision")), body.get("digest")
        if isinstance(outcome, Answer) and outcome.status == 304 and self._config is not None:  # noqa: PLR2004 - unchanged
            self._config = {**self._config, "revision": self._told_revision}
            self._config_told = False
        elif revision is not None and isinstance(digest, str):
            self._config = {"revision": revision, "digest": digest, "state": "applied"}
            self._config_told = False
        else:
            self._ask_config_at = now.steady + _CONFIG_AGAIN_S * self._luck()

    def _settle(self, effect: messages.Settle, _now: clock.Instant) -> None:
        waiting = self.memory.lanes[effect.lane].waiting
        if waiting is None:
            return
        self._account.acknowledged += 1
        self._account.waiting -= 1
        self._facts_told = self._facts_told or "facts" in waiting.report
        self._config_told = self._config_told or waiting.report.get("config") == self._config
        self.memory.acknowledge(effect.lane)

    def _resolve_fork(self, effect: messages.ResolveFork, _now: clock.Instant) -> None:
        self._account.forked += 1
        self.memory.resolve_fork(effect.lane, effect.sequence, effect.chain)

    def _set_aside(self, effect: messages.SetAside | messages.PutBack, _now: clock.Instant) -> None:
        """Count the report as refused; what takes its place is another, and empty."""
        lane = effect.lane
        waiting = self.memory.lanes[lane].waiting
        if waiting is None or not self.memory.empty(lane):
            return
        self._account.refused += 1
        self._account.waiting -= 1
        replacement = self.memory.lanes[lane].waiting
        if replacement is not None:
            self._count_made(lane, replacement)

    def _end(self, _effect: messages.Stop, _now: clock.Instant) -> None:
        """End for good: the server takes nothing of this device any more."""
        self.gone = True
        for lane in self.memory.lanes.values():
            if lane.waiting is not None:
                self._account.refused += 1
                self._account.waiting -= 1
                lane.waiting = None

    def _run(self, effect: messages.Run, now: clock.Instant) -> None:
        command = effect.command
        restarts = self._asked.run(
            command, expired=effect.expired, again=effect.again, streams=self.nature.profile.streams
        )
        if restarts:
            self.happened("device.booted", "the virtual device was restarted, as asked", now)
            self._facts_told = False

    # --- counting and planning

    def _count_made(self, lane: str, waiting: Waiting) -> None:
        self._account.made += 1
        self._account.waiting += 1
        self._account.backfill += lane == BACKFILL
        for part in ("telemetry", "logs", "events"):
            self._account.rows[part] += len(waiting.report.get(part, ()))

    def _count_sending(self, request: Request) -> None:
        if request.lane is None:
            return
        lane = self.memory.lanes[request.lane]
        self._account.sent += 1
        self._account.resent += lane.sendings > 0
        lane.sendings += 1
        self._account.answers_lost += request.fate is Fate.LOSE_ANSWER
        self._account.cut += request.fate is Fate.CUT

    def _outage_until(self, now: clock.Instant) -> float | None:
        if self._finishing:
            return None
        unit = self._state.interval_s
        end = behaviour.outage_at(self.nature, (now.steady - self._began) / unit)
        return None if end is None else self._began + end * unit

    def _plan(self, now: clock.Instant) -> None:
        """Set when to look again: the beat, a lane that may send, the end or start of an outage."""
        lanes = self._state.lanes
        moments = [self._state.next_report_at, self._ask_config_at]
        work = {
            LIVE: self.memory.lanes[LIVE].waiting is not None or self._is_urgent(now),
            BACKFILL: self.memory.lanes[BACKFILL].waiting is not None
            or self.memory.has_before(self._past_before(now)),
        }
        moments += [
            lanes[name].not_before
            for name in (LIVE, BACKFILL)
            if work[name] and not lanes[name].in_flight
        ]
        self.wake_at = max(min(moments), now.steady + _LEAST_PAUSE_S)

    _ways: ClassVar[dict[type, Callable[["VirtualDevice", Any, clock.Instant], Request | None]]] = {
        messages.Measure: _measure,
        messages.Compose: _compose,
        messages.Send: _send_again,
        messages.Settle: _settle,
        messages.ResolveFork: _resolve_fork,
        messages.SetAside: _set_aside,
        messages.PutBack: _set_aside,
        messages.Run: _run,
        messages.Stop: _end,
    }

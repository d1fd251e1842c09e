"""Services that follow their image's tag: it is looked up now and then, tried, and kept or not.

All of it in one thread, one service at a time, beside what is done to services by config: that goes
first, and ends what goes on here. The engine holds how far an update is, in the names of two
containers, so that a later process goes on from there; only what failed is written down.
"""

from __future__ import annotations

import os
import random
import threading
import time
from typing import Any, Callable, Dict, FrozenSet, Optional

from moorage_agent import container_specs as specs
from moorage_agent import container_updating as rules
from moorage_agent import remembered
from moorage_agent.applying_state import Seen
from moorage_agent.container_set import Ours, Pair
from moorage_agent.drivers import DriverError, OnEvent
from moorage_agent.engine import Engine
from moorage_agent.images import Images, plain
from moorage_agent.logs import log
from moorage_agent.units import Unit, Wanted

TICK_S = 10.0
_LOOK_EVERY_S = 0.5
_SWEEP_EVERY_S = 600.0
_FILE = "container-updates.json"
_END_WITHIN_S = 5.0


class Updates:
    """The updates of one agent's containers."""

    def __init__(  # noqa: PLR0913 - the parts that it works with
        self,
        folder: str,
        engine: Engine,
        ours: Ours,
        images: Images,
        gpu: Callable[[Unit], Optional[str]],
        on_event: OnEvent,
    ) -> None:
        """``gpu`` says how a unit gets one; what failed is written into ``folder``."""
        self._path = os.path.join(folder, _FILE)
        self._engine, self._ours, self._images = engine, ours, images
        self._gpu, self._on_event = gpu, on_event
        self._wanted: Optional[Wanted] = None
        self._refused = self._kept()
        self._next: Dict[str, float] = {}
        self._said: Dict[str, str] = {}
        self._swept_at = time.monotonic()
        self._turns: Dict[str, threading.Lock] = {}
        self._guard = threading.Lock()
        self._ended = threading.Event()
        self._wake = threading.Event()
        self._thread: Optional[threading.Thread] = None

    def want(self, wanted: Wanted) -> None:
        """Take note of what is in force; once there is something to do there is a thread."""
        self._wanted = wanted
        self._wake.set()
        if self._thread is None and (wanted.units or self._images.has_pulled()):
            self._thread = threading.Thread(target=self._work, name="updates", daemon=True)
            self._thread.start()

    def turn(self, service: str) -> threading.Lock:
        """Return the lock under which a service's containers are changed."""
        with self._guard:
            return self._turns.setdefault(service, threading.Lock())

    def close(self) -> None:
        """Do no more. What is on trial stays so until there is another process."""
        self._ended.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(_END_WITHIN_S)

    # --- the thread

    def _work(self) -> None:
        while not self._ended.is_set():
            try:
                self._tick()
            except Exception as error:  # noqa: BLE001 - a thread that dies would update nothing more
                self._say("", "debug", "updates of containers: %s" % error)
            self._wake.wait(TICK_S)
            self._wake.clear()

    def _tick(self) -> None:
        wanted, now = self._wanted, time.monotonic()
        if wanted is None or not (wanted.units or self._images.has_pulled()):
            return
        pairs = self._ours.pairs()
        if wanted.settled:
            self._images.note_uses(wanted, pairs)
        for service, pair in pairs.items():
            if pair.aside is not None:
                self._prove(service)
        for service, unit in wanted.units.items():
            if self._is_due(service, unit, now) and wanted.settled and not self._ended.is_set():
                self._look(unit)
        if now - self._swept_at >= _SWEEP_EVERY_S and wanted.settled:
            self._images.sweep(wanted, now - self._swept_at)
            self._swept_at = now

    def _is_due(self, service: str, unit: Unit, now: float) -> bool:
        every_s = unit.updates_every_s
        if every_s is None or not rules.is_followed(unit):
            self._next.pop(service, None)
            return False
        luck = random.random()
        first = rules.first_look_at(now, every_s, luck)
        if now < min(self._next.setdefault(service, first), now + 2 * every_s):
            return False
        self._next[service] = rules.next_look_at(now, every_s, luck)
        return True

    # --- one service

    def _look(self, unit: Unit) -> None:
        """Look a tag up; have what it names if that is another image than what runs."""
        image = unit.body["image"]
        try:
            named = self._images.digest_behind(image, unit.auth)
        except DriverError as error:
            said = plain(str(error), unit.auth)
            text = "service %s: cannot look for an update of %s: %s" % (unit.name, image, said)
            self._say(unit.name, "info" if error.again else "warning", text)
            return
        pair = self._ours.of(unit.name)
        if pair.main is None or pair.aside is not None:
            return
        has = self._images.digests_of(pair.main["ImageID"])
        refused = self._refused.get(unit.name, frozenset())
        if rules.about(named, has, refused) == rules.UPDATE:
            self._update(unit, named)

    def _update(self, unit: Unit, named: str) -> None:
        try:
            pulled = self._images.pull_digest(unit, named)
        except DriverError as error:
            self._not_pulled(unit, named, error)
            return
        with self.turn(unit.name):
            pair = self._ours.of(unit.name)
            if pair.main is None or not self._is_as_wanted(unit, pair):
                return
            if pair.main["ImageID"] == pulled:
                self._images.tag(pulled, unit.body["image"])
                return
            log.info("service %s: trying %s of %s", unit.name, named, unit.body["image"])
            self._ours.set_aside(pair.main["Id"], unit.name)
            revision = pair.main["Labels"].get(specs.LABEL_REVISION, "0")
            try:
                self._ours.make(unit, revision, self._gpu(unit), pulled)
                self._ours.start(unit)
            except DriverError as error:
                verdict = rules.Verdict(rules.BACK, str(error))
                self._end(unit, self._ours.of(unit.name), verdict, frozenset([named]))
                return
        self._prove(unit.name, began=True)

    def _is_as_wanted(self, unit: Unit, pair: Pair) -> bool:
        wanted = self._wanted
        if wanted is None or not wanted.settled or pair.main is None or pair.aside is not None:
            return False
        now = wanted.units.get(unit.name)
        label = pair.main["Labels"].get(specs.LABEL_SPEC)
        return now is not None and now.digest == unit.digest == label

    def _not_pulled(self, unit: Unit, named: str, error: DriverError) -> None:
        text = "%s is not updated: %s" % (unit.name, error)
        if self._say(unit.name, "info" if error.again else "warning", text) and not error.again:
            told = {"image": unit.body["image"], "to": [named], "reason": str(error)}
            self._on_event("service.update_failed", unit.name, text, told)

    # --- on trial

    def _prove(self, service: str, *, began: bool = False) -> None:
        """Wait for what comes of a trial, from wherever an earlier process left it."""
        began_at = time.monotonic()
        run, since = "", None
        while not self._ended.is_set():
            with self.turn(service):
                pair = self._ours.of(service)
                unit = None if self._wanted is None else self._wanted.units.get(service)
                if pair.aside is None or unit is None:
                    return
                seen, now = self._seen(pair), time.monotonic()
                if seen is not None and seen.run != run:
                    run, since = seen.run, now
                tried = pair.aside["Labels"].get(specs.LABEL_SPEC, "")
                verdict = rules.on_trial(
                    *(unit, tried, seen),
                    began_at=began_at,
                    began=began,
                    runs_since=since,
                    now=now,
                )
                if verdict.what == rules.START:
                    verdict, began = self._start(unit), True
                if verdict.what == rules.LEAVE:
                    return
                if verdict.what != rules.WAIT:
                    self._end(unit, pair, verdict, self._digests(pair.main))
                    return
            self._ended.wait(_LOOK_EVERY_S)

    def _start(self, unit: Unit) -> rules.Verdict:
        try:
            self._ours.start(unit)
        except DriverError as error:
            return rules.Verdict(rules.BACK, str(error))
        return rules.Verdict(rules.WAIT)

    def _seen(self, pair: Pair) -> Optional[Seen]:
        if pair.main is None:
            return None
        path = "/containers/%s/json" % pair.main["Id"]
        return specs.seen_of(self._engine.call("GET", path))

    def _end(self, unit: Unit, pair: Pair, verdict: rules.Verdict, digests: FrozenSet[str]) -> None:
        """Keep the new one, or go back; ``digests`` are those of the image on trial."""
        assert pair.aside is not None
        name, image = unit.name, unit.body["image"]
        old = self._digests(pair.aside)
        told: Dict[str, Any] = {"image": image, "from": sorted(old), "to": sorted(digests)}
        if verdict.what == rules.KEEP and pair.main is not None:
            # Before the tag moves nothing else would start the new one.
            self._images.tag(pair.main["ImageID"], image)
            text = "%s was updated: another %s is healthy" % (name, image)
            log.info("service %s", text)
            self._on_event("service.updated", name, text, told)
            self._ours.remove(pair.aside["Id"])
            return
        self._refuse(name, digests)
        if pair.main is not None:
            self._ours.stop(pair.main["Id"])
            self._ours.remove(pair.main["Id"])
        self._ours.bring_back(pair.aside["Id"], unit)
        text = "%s went back from another %s: %s" % (name, image, verdict.reason)
        log.warning("service %s", text)
        told["reason"] = verdict.reason
        self._on_event("service.update_failed", name, text, told)
        # Told before: what cannot be started now is tried again as any service that is down.
        self._ours.start(unit)

    def _digests(self, container: Optional[Dict[str, Any]]) -> FrozenSet[str]:
        if container is None:
            return frozenset()
        return self._images.digests_of(container["ImageID"])

    # --- what is remembered

    def _refuse(self, service: str, digests: FrozenSet[str]) -> None:
        if not digests:
            return
        self._refused[service] = digests
        kept = {name: sorted(those) for name, those in self._refused.items()}
        # A full disk costs one more try after the next start.
        remembered.write(self._path, kept)

    def _kept(self) -> Dict[str, FrozenSet[str]]:
        found = remembered.read(self._path)
        try:
            return {str(name): frozenset(map(str, those)) for name, those in found.items()}
        except (AttributeError, TypeError):
            return {}

    def _say(self, about: str, severity: str, text: str) -> bool:
        """Log a line unless it is the last one about this; return whether it was new."""
        if self._said.get(about) == text:
            return False
        self._said[about] = text
        getattr(log, severity)("%s", text)
        return True

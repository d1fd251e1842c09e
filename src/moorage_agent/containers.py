"""Services that are containers of a Docker Engine: pulled, made, started, seen, taken away.

The engine restarts them itself, with its own back-off, also while the agent is down. Labels say
what is ours, so a later process finds it again.
"""

from __future__ import annotations

import os
import shutil
import time
from typing import Any, Dict, Optional, Tuple

from moorage_agent import container_outlook
from moorage_agent import container_specs as specs
from moorage_agent.applying_state import Seen
from moorage_agent.container_logs import Lines
from moorage_agent.container_set import Ours
from moorage_agent.container_updates import Updates
from moorage_agent.drivers import NO_GPU_RUNTIME, DriverError, OnEvent, OnLine, Outlook
from moorage_agent.engine import Engine, EngineRefused
from moorage_agent.images import Images
from moorage_agent.units import DOCKER, Unit, Wanted

_JETSON = "/etc/nv_tegra_release"
_TOOLKIT = ("nvidia-container-runtime-hook", "nvidia-container-runtime")


class Containers:
    """The containers of one agent."""

    name = DOCKER

    def __init__(  # noqa: PLR0913 - what its owner gives it
        self,
        folder: str,
        agent: str,
        device: str,
        on_line: OnLine,
        engine: Optional[Engine] = None,
        on_event: OnEvent = lambda *_event: None,
    ) -> None:
        """``agent`` marks what is ours and stays for the life of the store; ``device`` is told."""
        self._engine = engine or Engine()
        self._ours = Ours(self._engine, agent, device)
        self._images = Images(self._engine, folder)
        self._lines = Lines(self._engine, folder, on_line)
        self._updates = Updates(folder, self._engine, self._ours, self._images, self._gpu, on_event)
        self._before: Dict[str, Dict[str, Any]] = {}
        self._ids: Dict[str, str] = {}

    # --- what a driver does

    def want(self, wanted: Wanted) -> None:
        """Follow the tags of those that want it, and let go of images nobody uses."""
        mine = {name: unit for name, unit in wanted.units.items() if unit.driver == DOCKER}
        self._updates.want(wanted._replace(units=mine))

    def prepare(self, unit: Unit) -> None:
        """Have the image here: it is already, or is loaded from a file, or pulled."""
        self._engine.wait()
        self._gpu(unit)
        self._images.bring(unit)

    def start(self, unit: Unit, revision: int) -> None:
        """Make the container, unless it is there, and start it."""
        with self._updates.turn(unit.name):
            there = self._ours.of(unit.name)
            if there.aside is not None and _is_of(unit, there.aside):
                return  # an update looks after it
            if not _is_of(unit, there.main):
                self._remove(unit.name)
                self._make(unit, revision)
            self._ours.start(unit)

    def _make(self, unit: Unit, revision: int) -> None:
        gpu = self._gpu(unit)
        try:
            self._ours.make(unit, str(revision), gpu, None)
        except EngineRefused as error:
            if error.status != 404 or self._images.find(unit.body["image"]) is not None:
                raise
            # Somebody removed the image since it was prepared.
            self._images.bring(unit)
            self._ours.make(unit, str(revision), gpu, None)

    def remove(self, name: str) -> None:
        """Stop and remove what there is of a service; its images and volumes stay."""
        with self._updates.turn(name):
            self._remove(name)

    def _remove(self, name: str) -> None:
        there = self._ours.of(name)
        # What is set aside goes first: alone it would be taken for what is to be brought back.
        for one in (there.aside, there.main):
            if one is not None:
                self._lines.last(name, one["Id"])
                self._ours.stop(one["Id"])
                self._lines.last(name, one["Id"])
                self._ours.remove(one["Id"])

    def restart(self, name: str) -> None:
        """Stop and start it, as it is."""
        with self._updates.turn(name):
            there = self._ours.of(name)
            if there.aside is not None:
                text = "%s is being updated right now; ask again when that is over"
                raise DriverError(text % name)
            if there.main is None:
                raise DriverError("%s does not run" % name)
            self._ours.restart(there.main["Id"])

    def seen(self) -> Dict[str, Seen]:
        """Ask for each of ours; and take in what they logged."""
        found: Dict[str, Seen] = {}
        ids: Dict[str, str] = {}
        for service, pair in self._ours.pairs().items():
            for one in (pair.main, pair.aside):
                if one is not None:
                    ids.setdefault(service, one["Id"])
            if pair.aside is not None:
                # Whatever it is right now, an update decides about it.
                label = pair.aside["Labels"].get(specs.LABEL_SPEC, "")
                found[service] = Seen(DOCKER, label, specs.UPDATING, run=ids[service])
                continue
            try:
                told = self._engine.call("GET", "/containers/%s/json" % ids[service])
            except EngineRefused as error:
                if error.status == 404:
                    continue
                raise
            found[service] = specs.seen_of(told)
        self._ids = ids
        self._lines.take(ids)
        return found

    def stats(self) -> Dict[str, Tuple[Optional[float], Optional[float]]]:
        """Ask for the figures of each that was seen last."""
        found, present = {}, {}
        for service, container in dict(self._ids).items():
            path = "/containers/%s/stats" % container
            try:
                told = self._engine.call("GET", path, query={"stream": "0", "one-shot": "1"})
            except EngineRefused as error:
                if error.status == 404:
                    continue  # removed since it was seen; the others have figures all the same
                raise
            cpu = ((told.get("cpu_stats") or {}).get("cpu_usage") or {}).get("total_usage") or 0
            now = {
                "id": container,
                "cpu": cpu,
                "at": time.monotonic(),
                "memory_stats": told.get("memory_stats"),
            }
            found[service] = specs.stats_of(now, self._before.get(service))
            present[service] = now
        self._before = present
        return found

    def close(self) -> None:
        """Let them run."""
        self._updates.close()
        self._lines.end()

    # --- what would stop one

    def outlook(self, unit: Unit) -> Outlook:
        """Look, without pulling or making anything."""
        try:
            return container_outlook.look(
                self._engine, self._images, unit, self._gpu, self._ours.listed()
            )
        except DriverError as error:
            return Outlook(({"kind": "engine", "detail": str(error)},))

    def _gpu(self, unit: Unit) -> Optional[str]:
        """Return how the unit gets the GPU, if it wants one. Raises DriverError, blocked."""
        if not unit.body["gpu"]:
            return None
        runtimes = self._engine.call("GET", "/info").get("Runtimes")
        has_toolkit = any(shutil.which(program) for program in _TOOLKIT)
        way = specs.gpu_way(runtimes, is_jetson=os.path.exists(_JETSON), has_toolkit=has_toolkit)
        if way is None:
            text = (
                "it needs a GPU, and the Docker Engine of this device has no runtime for one; "
                "install the NVIDIA Container Toolkit"
            )
            raise DriverError(text, blocked=NO_GPU_RUNTIME)
        return way


def _is_of(unit: Unit, container: Optional[Dict[str, Any]]) -> bool:
    return container is not None and container["Labels"].get(specs.LABEL_SPEC) == unit.digest

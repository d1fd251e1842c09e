"""Services that are containers of a Docker Engine: pulled, made, started, seen, taken away.

The engine restarts them itself, with its own back-off, also while the agent is down. Labels say
what is ours, so a later process finds it again.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
from typing import Any, Dict, List, Optional, Tuple

from moorage_agent import container_outlook
from moorage_agent import container_specs as specs
from moorage_agent.applying_state import Seen
from moorage_agent.container_logs import Lines
from moorage_agent.drivers import NO_GPU_RUNTIME, DriverError, OnLine, Outlook
from moorage_agent.engine import Engine, EngineRefused
from moorage_agent.images import Images
from moorage_agent.units import DOCKER, Unit

_STOP_MARGIN_S = 30.0
_JETSON = "/etc/nv_tegra_release"
_TOOLKIT = ("nvidia-container-runtime-hook", "nvidia-container-runtime")


class Containers:
    """The containers of one agent."""

    name = DOCKER

    def __init__(
        self, folder: str, agent: str, device: str, on_line: OnLine, engine: Optional[Engine] = None
    ) -> None:
        """``agent`` marks what is ours and stays for the life of the store; ``device`` is told."""
        self._agent = agent
        self._device = device
        self._engine = engine or Engine()
        self._images = Images(self._engine)
        self._lines = Lines(self._engine, folder, on_line)
        self._guard = threading.Lock()
        self._before: Dict[str, Dict[str, Any]] = {}
        self._ids: Dict[str, str] = {}

    # --- what a driver does

    def prepare(self, unit: Unit) -> None:
        """Have the image here: it is already, or is loaded from a file, or pulled."""
        self._engine.wait()
        self._gpu(unit)
        self._images.bring(unit)

    def start(self, unit: Unit, revision: int) -> None:
        """Make the container, unless it is there, and start it."""
        name = specs.container_name(unit.name)
        there = self._find(unit.name)
        if there is not None and there["Labels"].get(specs.LABEL_SPEC) != unit.digest:
            self.remove(unit.name)
            there = None
        if there is None:
            labels = {
                specs.LABEL_AGENT: self._agent,
                specs.LABEL_DEVICE: self._device,
                specs.LABEL_SERVICE: unit.name,
                specs.LABEL_REVISION: str(revision),
                specs.LABEL_SPEC: unit.digest,
            }
            body = specs.body_of(unit, labels=labels, gpu=self._gpu(unit))
            try:
                self._engine.call("POST", "/containers/create", body, query={"name": name})
            except EngineRefused as error:
                if error.status != 409:
                    raise
                text = "there is a container named %s already, and it is not ours; remove it"
                raise DriverError(text % name) from None
        self._engine.call("POST", "/containers/%s/start" % name)

    def remove(self, name: str) -> None:
        """Stop and remove what there is of a service; its images and volumes stay."""
        there = self._find(name)
        if there is None:
            return
        self._lines.last(name, there["Id"])
        self._ignoring(404, "POST", "/containers/%s/stop" % there["Id"])
        self._lines.last(name, there["Id"])
        self._ignoring(404, "DELETE", "/containers/%s?force=1" % there["Id"])

    def restart(self, name: str) -> None:
        """Stop and start it, as it is."""
        there = self._find(name)
        if there is None:
            raise DriverError("%s does not run" % name)
        path = "/containers/%s/restart" % there["Id"]
        self._engine.call("POST", path, within_s=300.0 + _STOP_MARGIN_S)

    def seen(self) -> Dict[str, Seen]:
        """Ask for each of ours; and take in what they logged."""
        found, ids = {}, {}
        for container in self._ours():
            try:
                told = self._engine.call("GET", "/containers/%s/json" % container["Id"])
            except EngineRefused as error:
                if error.status == 404:
                    continue
                raise
            service = container["Labels"][specs.LABEL_SERVICE]
            found[service], ids[service] = specs.seen_of(told), container["Id"]
        self._ids = ids
        self._lines.take(ids)
        return found

    def stats(self) -> Dict[str, Tuple[Optional[float], Optional[float]]]:
        """Ask for the figures of each that was seen last."""
        found, present = {}, {}
        for service, container in dict(self._ids).items():
            path = "/containers/%s/stats" % container
            told = self._engine.call("GET", path, query={"stream": "0", "one-shot": "1"})
            cpu = ((told.get("cpu_stats") or {}).get("cpu_usage") or {}).get("total_usage") or 0
            now = {"id": container, "cpu": cpu, "at": time.monotonic(), **told}
            now = {key: now[key] for key in ("id", "cpu", "at", "memory_stats") if key in now}
            found[service] = specs.stats_of(now, self._before.get(service))
            present[service] = now
        self._before = present
        return found

    def close(self) -> None:
        """Let them run."""
        self._lines.end()

    # --- what would stop one

    def outlook(self, unit: Unit) -> Outlook:
        """Look, without pulling or making anything."""
        try:
            return container_outlook.look(self._engine, self._images, unit, self._gpu, self._ours())
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

    # --- containers

    def _ours(self) -> List[Dict[str, Any]]:
        filters = '{"label":["%s=%s"]}' % (specs.LABEL_AGENT, self._agent)
        query = {"all": "1", "filters": filters}
        found: List[Dict[str, Any]] = self._engine.call("GET", "/containers/json", query=query)
        return [one for one in found if specs.LABEL_SERVICE in (one.get("Labels") or {})]

    def _find(self, service: str) -> Optional[Dict[str, Any]]:
        for one in self._ours():
            if one["Labels"][specs.LABEL_SERVICE] == service:
                return one
        return None

    def _ignoring(self, status: int, method: str, path: str) -> None:
        try:
            self._engine.call(method, path, within_s=300.0 + _STOP_MARGIN_S)
        except EngineRefused as error:
            if error.status != status:
                raise

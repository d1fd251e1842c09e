"""What is told the Docker Engine of a unit, and what it tells of a container. Pure."""

from __future__ import annotations

import re
from typing import Any, Dict, List, Optional

from moorage_agent.applying_state import (
    FAILED,
    FINISHED,
    NO_CHECK,
    RESTARTING,
    RUNNING,
    STARTING,
    STOPPED,
    Seen,
)
from moorage_agent.drivers import NO_GPU_RUNTIME, DriverError
from moorage_agent.units import DOCKER, Unit, digest_of

# Whose container it is, which service of which revision, and the digest of the unit that it is.
LABEL_AGENT = "moorage.agent"
LABEL_DEVICE = "moorage.device"
LABEL_SERVICE = "moorage.service"
LABEL_REVISION = "moorage.revision"
LABEL_SPEC = "moorage.spec"

# How a GPU is given: by the engine's device requests, or by the runtime that Jetsons have.
DEVICE_REQUESTS = "device_requests"
NVIDIA_RUNTIME = "nvidia_runtime"

_NANO = 1_000_000_000
_MIB = 1024 * 1024
# Another image of it is on trial, the container of before is set aside.
UPDATING = "updating"

# How engines say that a port is somebody else's, with the address and the port.
_PORT_TAKEN = re.compile(
    r"(?:listen (?:tcp|udp)[46]? |Bind for )\S*?:(\d+)"
    r"(?:: bind: address already in use| failed: port is already allocated)"
)
_NO_DEVICE_DRIVER = "could not select device driver"
_PLAIN = re.compile(r"[^a-zA-Z0-9_.-]+")


def container_name(service: str) -> str:
    """Return the name of a service's container; one that has to be changed gets a digest."""
    plain = _PLAIN.sub("-", service)
    return "moorage-" + (plain if plain == service else "%s-%s" % (plain, digest_of(service)[:8]))


def body_of(unit: Unit, *, labels: Dict[str, str], gpu: Optional[str]) -> Dict[str, Any]:
    """Return the body of ``POST /containers/create``; ``gpu`` is how one is given, if it is."""
    body, environment = unit.body, dict(unit.body["environment"])
    if gpu == NVIDIA_RUNTIME:
        environment.setdefault("NVIDIA_VISIBLE_DEVICES", "all")
        environment.setdefault("NVIDIA_DRIVER_CAPABILITIES", "all")
    told: Dict[str, Any] = {
        "Image": body["image"],
        "Env": ["%s=%s" % pair for pair in sorted(environment.items())],
        "Labels": labels,
        "ExposedPorts": {"%d/%s" % (port[2], port[3]): {} for port in body["ports"]},
        "StopTimeout": int(body["stop_after_s"]),
        "HostConfig": _host(unit, gpu),
    }
    optional = {
        "Cmd": body["command"],
        "Entrypoint": body["entrypoint"],
        "User": body["user"],
        "WorkingDir": body["working_dir"],
        "Healthcheck": _health(body["health"]),
    }
    return {**told, **{name: value for name, value in optional.items() if value}}


def _host(unit: Unit, gpu: Optional[str]) -> Dict[str, Any]:
    body = unit.body
    host: Dict[str, Any] = {
        "Binds": body["volumes"],
        "PortBindings": _bindings(body["ports"]),
        "RestartPolicy": {"Name": body["restart"]},
        # Bounded, and readable for us whatever the engine does by default.
        "LogConfig": {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "2"}},
        "Privileged": body["privileged"],
        "Devices": [
            {"PathOnHost": path, "PathInContainer": path, "CgroupPermissions": "rwm"}
            for path in body["devices"]
        ],
    }
    if body["network"] is not None:
        host["NetworkMode"] = body["network"]
    if body["memory_mb"] is not None:
        host["Memory"] = body["memory_mb"] * _MIB
    if body["shm_mb"] is not None:
        host["ShmSize"] = body["shm_mb"] * _MIB
    if gpu == DEVICE_REQUESTS:
        host["DeviceRequests"] = [{"Driver": "", "Count": -1, "Capabilities": [["gpu"]]}]
    elif gpu == NVIDIA_RUNTIME:
        host["Runtime"] = "nvidia"
    return host


def _bindings(ports: List[List[Any]]) -> Dict[str, List[Dict[str, str]]]:
    found: Dict[str, List[Dict[str, str]]] = {}
    for address, here, inside, protocol in ports:
        binding = {"HostIp": address.strip("[]"), "HostPort": str(here)}
        found.setdefault("%d/%s" % (inside, protocol), []).append(binding)
    return found


def _health(health: Optional[Dict[str, Any]]) -> Optional[Dict[str, Any]]:
    if health is None:
        return None
    return {
        "Test": ["CMD", *health["command"]],
        "Interval": int(health["interval_s"] * _NANO),
        "Timeout": int(health["timeout_s"] * _NANO),
        "StartPeriod": int(health["start_s"] * _NANO),
        "Retries": health["retries"],
    }


def gpu_way(runtimes: Any, *, is_jetson: bool, has_toolkit: bool) -> Optional[str]:
    """Return how this engine gives a container the GPU, or None when it cannot."""
    named = isinstance(runtimes, dict) and "nvidia" in runtimes
    if is_jetson:
        return NVIDIA_RUNTIME if named else None
    return DEVICE_REQUESTS if named or has_toolkit else None


def not_started(unit: Unit, said: str, *, again: bool) -> DriverError:
    """Return why a container could not be started, in words that say what would be right."""
    port = _PORT_TAKEN.search(said)
    if port is not None:
        text = "port %s is in use on this device by something else; free it, or give another (%s)"
        return DriverError(text % (port[1], said))
    if _NO_DEVICE_DRIVER in said and unit.body["gpu"]:
        text = "it needs a GPU, and the Docker Engine cannot give it one; is the driver there? (%s)"
        return DriverError(text % said, blocked=NO_GPU_RUNTIME)
    return DriverError(said, again=again)


def seen_of(container: Dict[str, Any]) -> Seen:
    """Return what ``GET /containers/ID/json`` says of one of ours."""
    told = container.get("State") or {}
    labels = (container.get("Config") or {}).get("Labels") or {}
    health = (told.get("Health") or {}).get("Status") or NO_CHECK
    policy = ((container.get("HostConfig") or {}).get("RestartPolicy") or {}).get("Name")
    restarts = int(container.get("RestartCount") or 0)
    return Seen(
        DOCKER,
        str(labels.get(LABEL_SPEC)),
        _state(told, policy),
        run="%s %d" % (told.get("StartedAt"), restarts),
        health=NO_CHECK if health == "none" else str(health),
        restarts=restarts,
        error=_error(told),
    )


def _state(told: Dict[str, Any], policy: Any) -> str:
    status, code = told.get("Status"), told.get("ExitCode")
    if status == "running":
        return RUNNING
    if status == "restarting":
        return RESTARTING
    if status == "exited" and policy in ("no", "on-failure", ""):
        if code == 0:
            return FINISHED
        return FAILED if policy != "on-failure" else STOPPED
    # Created and never started, paused, dead, or stopped by hand.
    return STARTING if status == "removing" else STOPPED


def _error(told: Dict[str, Any]) -> Optional[str]:
    if told.get("Error"):
        return str(told["Error"])[:500]
    if told.get("OOMKilled"):
        return "it was killed: out of memory"
    if told.get("Status") in ("restarting", "exited") and told.get("ExitCode"):
        return "exit code %d" % told["ExitCode"]
    log = ((told.get("Health") or {}).get("Log") or [{}])[-1]
    if (told.get("Health") or {}).get("Status") == "unhealthy" and log.get("Output"):
        return str(log["Output"]).strip()[:500]
    return None


def stats_of(now: Dict[str, Any], before: Optional[Dict[str, Any]]) -> Any:
    """Return (CPU in percent of one core, memory in MiB) from two answers about stats."""
    memory = now.get("memory_stats") or {}
    usage = memory.get("usage")
    # What the kernel could take back at once is no use of the service's.
    cached = (memory.get("stats") or {}).get("inactive_file") or (memory.get("stats") or {}).get(
        "total_inactive_file", 0
    )
    memory_mb = None if usage is None else round(max(usage - cached, 0) / _MIB, 1)
    percent = None
    if before is not None and before["id"] == now["id"]:
        used = now["cpu"] - before["cpu"]
        seconds = now["at"] - before["at"]
        percent = round(max(used, 0) / _NANO / seconds * 100.0, 1) if seconds > 0 else None
    return percent, memory_mb

"""What starting a container would meet: found by looking, with nothing pulled or made."""

from __future__ import annotations

import socket
from typing import Any, Callable, Dict, List, Optional, Set, Tuple

from moorage_agent import registry
from moorage_agent.drivers import DriverError, Outlook
from moorage_agent.engine import Engine, free_bytes
from moorage_agent.images import Images, has_file, plain
from moorage_agent.registry_auth import Refused
from moorage_agent.registry_http import Unasked
from moorage_agent.units import Unit

_Told = Dict[str, Any]


def look(
    engine: Engine,
    images: Images,
    unit: Unit,
    check_gpu: Callable[[Unit], object],
    ours: List[_Told],
) -> Outlook:
    """Look. ``ours`` are this agent's containers as the engine lists them."""
    obstacles: List[_Told] = []
    try:
        check_gpu(unit)
    except DriverError as error:
        obstacles.append({"kind": error.blocked or "engine", "detail": str(error)})
    held = _held(ours)
    obstacles += [
        {"kind": "port_taken", "detail": "port %d/%s is in use on this device" % (here, protocol)}
        for address, here, _inside, protocol in unit.body["ports"]
        if (here, protocol) not in held and is_taken(address, here, protocol)
    ]
    if images.find(unit.body["image"]) is not None or has_file(unit):
        return Outlook(tuple(obstacles))
    notes: List[_Told] = []
    pulls = _pulls(engine, images, unit, obstacles, notes)
    free = free_bytes(engine)
    if free is None:
        detail = "the disk of the engine cannot be seen from here"
        notes.append({"kind": "disk_unknown", "detail": detail})
    return Outlook(tuple(obstacles), tuple(notes), pulls, free)


def _pulls(
    engine: Engine, images: Images, unit: Unit, obstacles: List[_Told], notes: List[_Told]
) -> Optional[Dict[str, int]]:
    image = unit.body["image"]
    refusal = _refusal(engine, unit)
    if refusal is not None:
        obstacles.append({"kind": "registry", "detail": "%s: %s" % (image, refusal)})
        return None
    try:
        layers = registry.look_up(image, _platform(engine), unit.auth)
    except registry.NoSuchPlatform as error:
        obstacles.append({"kind": "platform", "detail": "%s: %s" % (image, error)})
    except (Refused, Unasked) as error:
        detail = "%s: size unknown: %s" % (image, error)
        notes.append({"kind": "pull_size_unknown", "detail": detail})
    else:
        return registry.missing(layers, images.contents())
    return None


def _refusal(engine: Engine, unit: Unit) -> Optional[str]:
    """Ask by the engine, whose ways to registries may be others than ours."""
    try:
        engine.call("GET", "/distribution/%s/json" % unit.body["image"], auth=unit.auth or {})
    except DriverError as error:
        return None if error.again else plain(str(error), unit.auth)
    return None


def _platform(engine: Engine) -> registry.Platform:
    version, info = engine.call("GET", "/version"), engine.call("GET", "/info")
    return registry.platform_of(version, str(info.get("Architecture", "")))


def _held(ours: List[_Told]) -> Set[Tuple[int, str]]:
    """Return the ports that our own containers hold: a plan may hand them on."""
    ports = [port for one in ours for port in one.get("Ports") or ()]
    return {(port["PublicPort"], port["Type"]) for port in ports if "PublicPort" in port}


def is_taken(address: str, port: int, protocol: str) -> bool:
    """Whether somebody holds a port: then it cannot be bound."""
    kind = socket.SOCK_DGRAM if protocol == "udp" else socket.SOCK_STREAM
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, kind) as probe:
        if kind == socket.SOCK_STREAM:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address.strip("[]"), port))
        except OSError:
            return True
    return False

"""What a document's services mean, as units that a driver can run. Pure.

A unit's digest covers all that makes it another one to run; credentials of registries do not.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

DOCKER = "docker"
PROCESS = "process"
POLICIES = ("always", "on-failure", "no")

STABLE_S = 30.0
_LONGEST_STABLE_S = 3600.0
_LONGEST_NAME = 128
_STOP_AFTER_S = 10.0
# How often tags are looked up whose services are to follow them.
UPDATES_EVERY_S = 3600.0
_SHORTEST_UPDATES_S = 60.0
_LONGEST_UPDATES_S = 7 * 24 * 3600.0
# How long images that we pulled stay when nothing uses them any more.
IMAGES_KEPT_S = 24 * 3600.0
_LONGEST_KEPT_S = 366 * 24 * 3600.0
_LONGEST_STOP_S = 300.0
# Where images come from that name no registry.
_HUB = "docker.io"


class Unusable(ValueError):
    """A service that cannot be run as it is described; the text begins with its pointer."""


class Unit(NamedTuple):
    """One service to run. ``body`` holds what its driver goes by; ``auth`` is for its registry.

    ``updates_every_s``: how often to look whether the image's tag moved; None: never.
    """

    name: str
    driver: str
    digest: str
    stable_s: float
    body: Dict[str, Any]
    auth: Optional[Dict[str, str]] = None
    updates_every_s: Optional[float] = None


class Wanted(NamedTuple):
    """What drivers are told of the document in force; ``settled``: it has proved itself."""

    units: Dict[str, Unit]
    images_kept_s: float = IMAGES_KEPT_S
    settled: bool = True


def units_of(document: Optional[Dict[str, Any]]) -> Dict[str, Unit]:
    """Return the services that a document wants to run, by name.

    Raises:
        Unusable: one of them.

    """
    if document is None:
        return {}
    settings = document["config"]
    stable_s = _seconds(settings, "stable_s", STABLE_S, _LONGEST_STABLE_S, "/config/stable_s")
    images_kept_s(document)
    found = {}
    for name, entry in document["services"].items():
        at = "/services/%s" % name
        if not (name.isprintable() and 0 < len(name) <= _LONGEST_NAME):
            raise Unusable("%s: a service's name is 1 to %d characters" % (at, _LONGEST_NAME))
        if _flag(entry, "enabled", at, default=True):
            found[name] = _unit(name, entry, stable_s, settings, at)
    return found


def images_kept_s(document: Optional[Dict[str, Any]]) -> float:
    """Return how long unused images stay. Raises Unusable."""
    settings = {} if document is None else document["config"]
    at = "/config/images_kept_s"
    return _seconds(settings, "images_kept_s", IMAGES_KEPT_S, _LONGEST_KEPT_S, at)


def streams_of(document: Optional[Dict[str, Any]]) -> Dict[str, Dict[str, Any]]:
    """Return the streams that a document wants to run, by id."""
    if document is None:
        return {}
    return {
        stream_id: spec
        for stream_id, spec in document["streams"].items()
        if spec.get("enabled") is not False
    }


def digest_of(value: Any) -> str:
    """Return hex SHA-256 over a value as JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _unit(
    name: str, entry: Dict[str, Any], stable_s: float, settings: Dict[str, Any], at: str
) -> Unit:
    driver = entry.get("driver")
    if driver is None:
        driver = DOCKER if entry.get("image") is not None else PROCESS
    stable_s = _seconds(entry, "stable_s", stable_s, _LONGEST_STABLE_S, at + "/stable_s")
    auth = updates_every_s = None
    if driver == DOCKER:
        body = _container(entry, at)
        registries = _object(settings, "registries", "/config/registries")
        auth = _auth(entry, registries, body["image"], at)
        updates_every_s = _updates(entry, settings, at)
    elif driver == PROCESS:
        body = _process(entry, at)
    else:
        raise Unusable("%s/driver is docker or process" % at)
    body["environment"] = _environment(entry.get("environment_variables"), at)
    body["restart"] = _policy(entry, at)
    body["user"] = _text(entry, "user", at)
    body["working_dir"] = _text(entry, "working_dir", at)
    body["stop_after_s"] = _seconds(
        entry, "stop_after_s", _STOP_AFTER_S, _LONGEST_STOP_S, at + "/stop_after_s"
    )
    return Unit(name, driver, digest_of([driver, body]), stable_s, body, auth, updates_every_s)


def _updates(entry: Dict[str, Any], settings: Dict[str, Any], at: str) -> Optional[float]:
    pointer = "/config/automatic_updates_every_s"
    every_s = _seconds(
        settings, "automatic_updates_every_s", UPDATES_EVERY_S, _LONGEST_UPDATES_S, pointer
    )
    if every_s < _SHORTEST_UPDATES_S:
        raise Unusable("%s is at least %d seconds" % (pointer, _SHORTEST_UPDATES_S))
    return every_s if _flag(entry, "automatic_updates", at) else None


def _process(entry: Dict[str, Any], at: str) -> Dict[str, Any]:
    command = _command(entry, "command", at)
    if not command:
        raise Unusable("%s has neither an image nor a command; it needs one of them" % at)
    return {"command": command}


def _container(entry: Dict[str, Any], at: str) -> Dict[str, Any]:
    return {
        "image": reference(_text(entry, "image", at) or "", _text(entry, "tag", at), at),
        "image_file": _text(entry, "image_file", at),
        "command": _command(entry, "command", at),
        "entrypoint": _command(entry, "entrypoint", at),
        "volumes": _volumes(entry.get("volumes"), at),
        "ports": _ports(entry.get("ports"), at),
        "network": _text(entry, "network", at),
        "gpu": _flag(entry, "gpu", at),
        "privileged": _flag(entry, "privileged", at),
        "devices": _texts(entry.get("devices"), at + "/devices"),
        "memory_mb": _whole(entry, "memory_mb", at),
        "shm_mb": _whole(entry, "shm_mb", at),
        "health": _health(entry.get("health"), at + "/health"),
    }


def reference(image: str, tag: Optional[str], at: str) -> str:
    """Return the whole name of an image, with a tag or a digest."""
    if not image or image != image.strip() or any(c.isspace() for c in image):
        raise Unusable("%s/image is the name of an image" % at)
    if "@" in image:
        return image
    named = ":" in image.rsplit("/", 1)[-1]
    if tag:
        return (image.rsplit(":", 1)[0] if named else image) + ":" + tag
    return image if named else image + ":latest"


def registry_of(image: str) -> str:
    """Return the registry that an image's name stands for."""
    first, slash, _ = image.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else _HUB


def _auth(
    entry: Dict[str, Any], registries: Dict[str, Any], image: str, at: str
) -> Optional[Dict[str, str]]:
    server = registry_of(image)
    where, given = at + "/registry", entry.get("registry")
    if given is None:
        where, given = "/config/registries/%s" % server, registries.get(server)
    if given is None:
        return None
    if not isinstance(given, dict):
        raise Unusable("%s is an object with username and password" % where)
    username, password = _text(given, "username", where), _text(given, "password", where)
    if username is None or password is None:
        raise Unusable("%s needs username and password" % where)
    return {"username": username, "password": password, "serveraddress": server}


def _environment(given: Any, at: str) -> Dict[str, str]:
    at += "/environment_variables"
    found = {}
    for name, value in _pairs(given, at):
        if not isinstance(name, str) or not name or "=" in name or "\0" in name:
            raise Unusable("%s has a name that no variable can have" % at)
        if isinstance(value, (dict, list)) or "\0" in str(value):
            raise Unusable("%s/%s is a text or a number" % (at, name))
        if value is not None:
            found[name] = value if isinstance(value, str) else json.dumps(value)
    return found


def _pairs(given: Any, at: str) -> List[Tuple[Any, Any]]:
    if isinstance(given, dict):
        return list(given.items())
    pairs: List[Tuple[Any, Any]] = []
    for one in _list(given, at):
        if isinstance(one, dict):
            pairs.append((one.get("name", one.get("key")), one.get("value")))
        elif isinstance(one, str) and "=" in one:
            name, _, value = one.partition("=")
            pairs.append((name, value))
        else:
            raise Unusable("%s holds NAME=VALUE or objects of name and value" % at)
    return pairs


def _volumes(given: Any, at: str) -> List[str]:
    at += "/volumes"
    found = []
    for one in _list(given, at):
        if isinstance(one, dict):
            source, target = _text(one, "source", at), _text(one, "target", at)
            mode = ":ro" if _flag(one, "read_only", at) else ""
            one = "%s:%s%s" % (source or "", target or "", mode)  # noqa: PLW2901 - one form of it
        parts = one.split(":") if isinstance(one, str) else []
        if not (2 <= len(parts) <= 3 and parts[0] and parts[1].startswith("/")):
            raise Unusable("%s holds SOURCE:/TARGET or SOURCE:/TARGET:ro" % at)
        found.append(one)
    return found


def _ports(given: Any, at: str) -> List[List[Any]]:
    """Return [address, port here, port inside, protocol] for each."""
    at += "/ports"
    found = []
    for one in _list(given, at):
        text, _, protocol = str(one).partition("/")
        parts = text.split(":")
        address = ":".join(parts[:-2])
        inside = parts[-1]
        here = parts[-2] if len(parts) > 1 else inside
        right = all(part.isdigit() and 0 < int(part) < 65536 for part in (here, inside))
        if not right or protocol not in ("", "tcp", "udp"):
            raise Unusable("%s holds HERE:INSIDE, ADDRESS:HERE:INSIDE, with /udp at the end" % at)
        found.append([address, int(here), int(inside), protocol or "tcp"])
    return found


def _health(given: Any, at: str) -> Optional[Dict[str, Any]]:
    if given is None:
        return None
    if not isinstance(given, dict):
        raise Unusable("%s is an object with a command" % at)
    command = _command(given, "command", at)
    if not command:
        raise Unusable("%s/command is missing" % at)
    retries = _whole(given, "retries", at)
    return {
        "command": command,
        "interval_s": _seconds(given, "interval_s", 10.0, 3600.0, at + "/interval_s"),
        "timeout_s": _seconds(given, "timeout_s", 5.0, 3600.0, at + "/timeout_s"),
        "start_s": _seconds(given, "start_s", 0.0, 3600.0, at + "/start_s"),
        "retries": 3 if retries is None else retries,
    }


# --- kinds of values


def _command(entry: Dict[str, Any], name: str, at: str) -> List[str]:
    given = entry.get(name)
    if given is None:
        return []
    if isinstance(given, str):
        try:
            return shlex.split(given)
        except ValueError as error:
            raise Unusable("%s/%s: %s" % (at, name, error)) from None
    return _texts(given, "%s/%s" % (at, name))


def _texts(given: Any, at: str) -> List[str]:
    texts = _list(given, at)
    if not all(isinstance(one, str) and "\0" not in one for one in texts):
        raise Unusable("%s is an array of texts" % at)
    return texts


def _list(given: Any, at: str) -> List[Any]:
    if given is None:
        return []
    if not isinstance(given, list):
        raise Unusable("%s is an array" % at)
    return given


def _object(entry: Dict[str, Any], name: str, at: str) -> Dict[str, Any]:
    given = entry.get(name)
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise Unusable("%s is an object" % at)
    return given


def _text(entry: Dict[str, Any], name: str, at: str) -> Optional[str]:
    given = entry.get(name)
    if given is None or given == "":
        return None
    if not isinstance(given, str) or "\0" in given:
        raise Unusable("%s/%s is a text" % (at, name))
    return given


def _flag(entry: Dict[str, Any], name: str, at: str, *, default: bool = False) -> bool:
    given = entry.get(name)
    if given is None:
        return default
    if not isinstance(given, bool):
        raise Unusable("%s/%s is true or false" % (at, name))
    return given


def _whole(entry: Dict[str, Any], name: str, at: str) -> Optional[int]:
    given = entry.get(name)
    if given is not None and (type(given) is not int or not 0 < given < 2**31):
        raise Unusable("%s/%s is a whole number over 0" % (at, name))
    return given


def _seconds(
    entry: Dict[str, Any], name: str, default: float, longest: float, pointer: str
) -> float:
    given = entry.get(name)
    if given is None:
        return default
    if type(given) not in (int, float) or not 0 <= given <= longest:
        raise Unusable("%s is a number of seconds from 0 to %d" % (pointer, longest))
    return float(given)


def _policy(entry: Dict[str, Any], at: str) -> str:
    given = entry.get("restart")
    if given is None or given == "unless-stopped":
        return "always"
    if given not in POLICIES:
        raise Unusable("%s/restart is one of %s" % (at, ", ".join(POLICIES)))
    return str(given)

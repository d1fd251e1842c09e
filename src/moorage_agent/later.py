"""Commands that take a while: each in a thread of its own, begun on the disk before.

What they come to goes back to the loop, which has the disk. One whose process ends meanwhile is
never done again.
"""

from __future__ import annotations

import socket
import subprocess
import threading
import time
import urllib.parse
from typing import Any, Callable, Dict, List, NamedTuple, Optional

from moorage_agent import clock, config, planning
from moorage_agent.applying_state import Asked, StartStream, State
from moorage_agent.drivers import Driver
from moorage_agent.messages import Command
from moorage_agent.results import Outcome
from moorage_agent.runner_base import RunnerError
from moorage_agent.runner_choice import Streams
from moorage_agent.transport import Transport, Unreachable
from moorage_agent.updates import UPDATE, Updater

REBOOT = "reboot"
_MOST_AT_ONCE = 4
_REBOOTS_WITHIN_S = 300.0
_CAMERA_WITHIN_S = 3.0
_CAMERA_PORTS = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443, "rtmp": 1935}


class Finished(NamedTuple):
    """What came of a command that took a while."""

    command: Command
    outcome: Outcome


class Device(NamedTuple):
    """What commands work with. ``key`` is this device's, for what it brings to the server."""

    folder: str
    streams: Streams
    drivers: List[Driver]
    state: Callable[[], State]
    transport: Callable[[], Transport]
    key: Callable[[], Optional[str]]
    deliver: Callable[[Any], None]
    # None: the owner of this device has not allowed it.
    reboot_command: Optional[List[str]]
    updater: Updater


class Later:
    """The commands of one agent that are not answered at once."""

    def __init__(self, device: Device) -> None:
        """Keep it."""
        self._device = device
        self._key: Optional[str] = None
        self._turns = threading.BoundedSemaphore(_MOST_AT_ONCE)
        self.kinds: Dict[str, Callable[[Command], Optional[Outcome]]] = {
            "restart_service": self._restart_service,
            "pause_stream": self._pause_stream,
            "resume_stream": self._resume_stream,
            "terminate_stream": self._terminate_stream,
            "trigger_stream": self._trigger_stream,
            "snapshot": self._snapshot,
            "plan": self._plan,
            REBOOT: self._reboot,
            UPDATE: lambda _command: None,
        }

    def why_not(self, command: Command) -> Optional[str]:
        """Return what stands against a command, found without beginning it."""
        if command.kind == REBOOT and self._device.reboot_command is None:
            return (
                "this device does not permit it; whoever looks after the device can: with "
                "MOORAGE_ALLOW_REBOOT=1 in the agent's environment"
            )
        if command.kind == UPDATE:
            return self._device.updater.why_not()
        return None

    def begin(self, command: Command) -> None:
        """Do it in a thread; the outcome is delivered as ``Finished``."""
        if command.kind == UPDATE:
            self._device.updater.begin(command)
            return
        name = "command-%s" % command.kind
        # Asked for here: the disk is the loop's.
        self._key = self._device.key()
        threading.Thread(target=self._do, args=(command,), name=name, daemon=True).start()

    def _do(self, command: Command) -> None:
        with self._turns:
            outcome: Optional[Outcome]
            try:
                outcome = self.kinds[command.kind](command)
            except RunnerError as error:
                outcome = Outcome({}, str(error))
            except Exception as error:  # noqa: BLE001 - whatever is wrong, it must be answered
                outcome = Outcome({}, "%s: %s" % (type(error).__name__, error))
        if outcome is not None:
            self._device.deliver(Finished(command, outcome))

    # --- services

    def _restart_service(self, command: Command) -> Optional[Outcome]:
        """Have it decided with all else that is done to services, and answered from there."""
        name = command.arguments.get("service")
        if not isinstance(name, str):
            return Outcome({}, "the argument service is missing")
        self._device.deliver(Asked(clock.now().steady, name, command.id))
        return None

    # --- streams

    def _pause_stream(self, command: Command) -> Outcome:
        return Outcome(self._device.streams.pause(_stream_id(command)))

    def _resume_stream(self, command: Command) -> Outcome:
        return Outcome(self._device.streams.resume(_stream_id(command)))

    def _trigger_stream(self, command: Command) -> Outcome:
        return Outcome(self._device.streams.trigger(_stream_id(command)))

    def _terminate_stream(self, command: Command) -> Outcome:
        """End it until its config changes or the agent starts anew."""
        stream_id = _stream_id(command)
        if stream_id not in [state["id"] for state in self._device.streams.states()]:
            raise RunnerError("there is no stream %s here" % stream_id)
        self._device.streams.stop(stream_id)
        return Outcome({"status": "stopped"})

    def _snapshot(self, command: Command) -> Outcome:
        """Take a picture and bring it to the server; the result only says that it is there."""
        jpeg = self._device.streams.snapshot(_stream_id(command))
        path = "/v1/commands/%s/snapshot" % urllib.parse.quote(command.id, safe="")
        headers = {"Authorization": "Bearer %s" % self._key, "Content-Type": "image/jpeg"}
        transport = self._device.transport()
        try:
            answer = transport.request("PUT", path, jpeg, headers)
        except Unreachable as error:
            return Outcome({}, "the picture could not be sent: %s" % error)
        finally:
            transport.close()
        if answer.status not in (200, 201, 204):
            return Outcome({}, "the picture was not taken: %s" % answer.explained())
        return Outcome({"bytes": len(jpeg)})

    # --- plans

    def _plan(self, command: Command) -> Outcome:
        """Say what a document would have this device do, and what would stop it."""
        document = command.arguments.get("document")
        problem = config.problem_of(document)
        if problem is not None or not isinstance(document, dict):
            told = {"kind": "document", "detail": problem}
            result = {"would_apply": False, "effects": [], "obstacles": [told], "notes": []}
            return Outcome(result)
        state = self._device.state()
        effects = planning.effects_of(state, document, clock.now().steady)
        met = planning.meet(effects, document, self._device.drivers)
        obstacles = list(met.obstacles)
        for effect in effects:
            if isinstance(effect, StartStream):
                obstacles += _camera_says(effect)
        in_the_way = [one for one in obstacles if one["kind"] != "camera_unreachable"]
        result = {
            "would_apply": not in_the_way,
            "effects": [planning.told_of(effect, met.pulls) for effect in effects],
            "obstacles": obstacles,
            "notes": met.notes,
        }
        return Outcome(result)

    # --- the machine

    def _reboot(self, _command: Command) -> Outcome:
        """Have the machine start anew; that it did the next process says, by another boot id."""
        command = self._device.reboot_command or []
        done = subprocess.run(  # noqa: S603 - what the device's owner configured
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=60,
            check=False,
        )
        if done.returncode != 0:
            told = done.stdout.decode("utf-8", "replace").strip()[:300]
            return Outcome({}, "%s: exit code %d: %s" % (command[0], done.returncode, told))
        time.sleep(_REBOOTS_WITHIN_S)
        return Outcome({}, "%s was run, and the machine did not reboot" % command[0])


def _stream_id(command: Command) -> str:
    stream_id = command.arguments.get("stream_id")
    if not isinstance(stream_id, str):
        raise RunnerError("the argument stream_id is missing")
    return stream_id


def _camera_says(effect: StartStream) -> List[Dict[str, Any]]:
    """Look whether there is anybody at a camera's address; the stream itself would go on trying."""
    source = effect.spec.get("source")
    if isinstance(source, dict):
        source = source.get("url")
    try:
        parts = urllib.parse.urlsplit(source if isinstance(source, str) else "")
        port = parts.port or _CAMERA_PORTS.get(parts.scheme)
    except ValueError:
        return []
    if not parts.hostname or port is None:
        return []
    try:
        socket.create_connection((parts.hostname, port), _CAMERA_WITHIN_S).close()
    except OSError as error:
        detail = "%s:%d: %s" % (parts.hostname, port, error)
        return [{"stream": effect.stream_id, "kind": "camera_unreachable", "detail": detail}]
    return []

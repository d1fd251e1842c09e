"""``moorage demo``: the real server, the real installer, the real agent, on this machine.

Beside it the server plays three virtual devices, so that there is more to see than one machine.
"""

import contextlib
import json
import os
import platform
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx

_WITHIN_S = 60.0
_STOP_WITHIN_S = 25.0
_ASK_EVERY_S = 0.25
# One that streams, one that hardly speaks, one on a bad line.
_VIRTUAL = ("camera", "meter", "flaky")


class DemoFailed(Exception):
    """It did not come up; the text says which part and why."""


def run(*, port: int, data: Path, check: bool) -> int:
    """Run until Ctrl-C, or with ``check`` until the device was seen; return an exit code."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with contextlib.ExitStack() as stack:
            if check:
                data = Path(
                    stack.enter_context(tempfile.TemporaryDirectory(prefix="moorage-demo-"))
                )
                port = _free_port()
            demo = Demo(data.absolute(), port, stack)
            demo.ending = "It was seen, so this ends here." if check else demo.ending
            demo.start()
            seen = demo.wait_for_devices()
            _summary(demo, seen)
            if not check:
                demo.wait_for_the_end()
    except DemoFailed as failure:
        print(f"demo: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped")
        return 1 if check else 0
    return 0


def _interrupt(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt


class Demo:
    """A server and an agent as processes of ours, in one folder."""

    def __init__(self, folder: Path, port: int, stack: contextlib.ExitStack) -> None:
        self.folder = folder
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.key = ""
        self.device_id = ""
        self.console = f"{self.url}/console"
        self.ending = f"Ctrl-C ends it; its data is in {folder}"
        self._stack = stack
        self._deadline = time.monotonic() + _WITHIN_S
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Start the server, make the workspace, enrol this machine, start its agent."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._begin("server", [*self._moorage("serve"), "--port", str(self.port)])
        self._until("the server answers", lambda: self._get("/healthz") is not None)
        made = self._output([*self._moorage("bootstrap"), "--workspace", "demo", "--json"])
        self.key = json.loads(made)["api_key"]
        # There from the server's start until somebody made the first account with it.
        link = self.folder / "server" / "set-up-link.txt"
        if link.exists():
            self.console = link.read_text().strip()
        prefix = self.folder / "device"
        known = self.folder / "device.id"
        if not known.exists():
            self._install(prefix)
            known.write_text(self.device_id)
        self.device_id = known.read_text()
        self._begin("agent", [str(prefix / "bin" / "moorage-agent"), "run"])
        self._make_virtual()

    def _moorage(self, command: str) -> list[str]:
        # The demo is this machine's alone, whatever settings stand in the environment.
        return [sys.executable, "-m", "moorage.cli", command, "--data", str(self.folder / "server")]

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not _is_ours(name)}
        return {**kept, "NO_PROXY": "127.0.0.1", "MOORAGE_LOG_FORMAT": "text"}

    def _install(self, prefix: Path) -> None:
        """Do what an owner and a device do: make the record, run the installer it comes with."""
        made = self._post("/v1/devices", {"name": platform.node() or "this machine"})
        self.device_id = made["id"]
        script = httpx.get(f"{self.url}/devices/v2/{made['install_token']}/install.sh")
        if script.status_code != httpx.codes.OK:
            raise DemoFailed(f"the installer was answered {script.status_code}")
        done = subprocess.run(  # noqa: S603 - our own server's script
            ["/bin/sh", "-s", "--", "--prefix", str(prefix), "--no-service"],
            input=script.content,
            capture_output=True,
            check=False,
            env=self._environment(),
            timeout=_WITHIN_S,
        )
        if done.returncode:
            raise DemoFailed(f"the installer failed:\n{done.stderr.decode()}{done.stdout.decode()}")

    def _make_virtual(self) -> None:
        """Make the virtual devices that an earlier run of this folder did not leave."""
        there = (self._get("/v1/virtual-devices") or {}).get("data", [])
        for profile in _VIRTUAL:
            if profile not in {one["profile"] for one in there}:
                self._post("/v1/virtual-devices", {"profile": profile})

    def wait_for_devices(self) -> dict[str, Any]:
        """Return the device with its newest sample and log line, once it has all three.

        And the virtual ones, once each was heard of: one on a bad line may be away again by then.
        """
        path = f"/v1/devices/{self.device_id}"
        seen: dict[str, Any] = {}

        def look() -> bool:
            seen["device"] = self._get(path) or {}
            for name in ("telemetry", "logs"):
                rows = (self._get(f"{path}/{name}?limit=1") or {}).get("data")
                seen[name] = rows[0] if rows else None
            seen["virtual"] = (self._get("/v1/virtual-devices") or {}).get("data", [])
            heard = {one["profile"] for one in seen["virtual"] if one["status"] != "never_seen"}
            online = seen["device"].get("status") == "online"
            return online and all(seen.values()) and heard >= set(_VIRTUAL)

        self._until(
            "the device is online with telemetry and a log line, and the virtual ones were heard",
            look,
        )
        return seen

    def wait_for_the_end(self) -> None:
        """Return when a process ended by itself; Ctrl-C gets through as KeyboardInterrupt."""
        while True:
            self._check_processes()
            time.sleep(1)

    def _begin(self, name: str, command: list[str]) -> None:
        log = (self.folder / f"{name}.log").open("ab")
        self._stack.callback(log.close)
        process = subprocess.Popen(  # noqa: S603 - our own programs
            command, stdout=log, stderr=log, start_new_session=True, env=self._environment()
        )
        self._processes[name] = process
        self._stack.callback(_end, process)

    def _until(self, what: str, holds: Callable[[], bool]) -> None:
        while not holds():
            self._check_processes()
            if time.monotonic() > self._deadline:
                raise DemoFailed(
                    f"waited {_WITHIN_S:.0f} s in vain until {what}; the logs are in {self.folder}"
                    + "".join(self._tails())
                )
            time.sleep(_ASK_EVERY_S)

    def _check_processes(self) -> None:
        for name, process in self._processes.items():
            if process.poll() is not None:
                raise DemoFailed(
                    f"the {name} ended with code {process.returncode}:" + "".join(self._tails(name))
                )

    def _tails(self, *names: str) -> Iterator[str]:
        for name in names or tuple(self._processes):
            lines = (self.folder / f"{name}.log").read_text("utf-8", "replace").splitlines()
            yield f"\n--- {name}.log\n" + "\n".join(lines[-15:])

    def _output(self, command: list[str]) -> bytes:
        done = subprocess.run(  # noqa: S603 - our own programs
            command, capture_output=True, check=False, env=self._environment()
        )
        if done.returncode:
            raise DemoFailed(done.stderr.decode())
        return done.stdout

    def _get(self, path: str) -> Any:
        try:
            answer = httpx.get(self.url + path, headers=self._headers(), timeout=5)
        except httpx.TransportError:
            return None
        if answer.status_code != httpx.codes.OK:
            return None
        return answer.json() if path.startswith("/v1") else answer.text

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        answer = httpx.post(self.url + path, json=body, headers=self._headers(), timeout=5)
        if answer.is_error:
            raise DemoFailed(f"{path} was answered {answer.status_code}: {answer.text}")
        return answer.json()

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"} if self.key else {}


def _is_ours(name: str) -> bool:
    return name.startswith("MOORAGE_")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _summary(demo: Demo, seen: dict[str, Any]) -> None:
    device, sample, line = seen["device"], seen["telemetry"], seen["logs"]
    figures = ", ".join(
        f"{title} {sample[name]:.0f} {unit}"
        for name, title, unit in (
            ("cpu_percent", "cpu", "%"),
            ("memory_percent", "memory", "%"),
            ("disk_percent", "disk", "%"),
            ("temperature_c", "temperature", "°C"),
        )
        if sample[name] is not None
    )
    virtual = "\n".join(
        f"  virtual    {one['name']}  ({one['id']}), {one['status']}" for one in seen["virtual"]
    )
    print(
        f"""
Moorage is running, and this machine is its first device. Three more are virtual.

  console    {demo.console}
  server     {demo.url}        API documentation: {demo.url}/v1/docs
  workspace  demo
  key        {demo.key}

  device     {device["name"]}  ({device["id"]})
  status     {device["status"]}: {device["presence"]["reason"]}
  telemetry  {figures}
  last log   {line["severity"]} {line["service"]}: {line["message"]}

{virtual}

Try it:

  curl -s -H 'Authorization: Bearer {demo.key}' \\
    '{demo.url}/v1/devices/{device["id"]}/telemetry?limit=3'

  curl -s -H 'Authorization: Bearer {demo.key}' -H 'Content-Type: application/json' \\
    -d '{{"action": "fault", "description": "the lens is dirty"}}' \\
    '{demo.url}/v1/virtual-devices/{seen["virtual"][0]["id"]}/drive'

With the Deployment Manager's own client (pip install roboflow-slim==1.7.3):

  API_URL={demo.url} ROBOFLOW_API_KEY={demo.key} \\
    roboflow -w demo device list

{demo.ending}
"""
    )

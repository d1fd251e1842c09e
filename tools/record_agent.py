# ruff: noqa: INP001 - a tool, no package
"""Record what this release's agent says to a server, for the tests of the releases to come.

``python tools/record_agent.py`` runs a real server and a real agent with a listener in between, and
writes ``tests/golden/agent-VERSION/conversation.json``. Done once for each release, when it is
made; what is recorded is never changed afterwards. What would tell of the machine is replaced, and
the chain of the reports made again.
"""

import contextlib
import gzip
import hashlib
import http.client
import json
import re
import sqlite3
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import httpx

ROOT = Path(__file__).resolve().parents[1]
_KEPT_HEADERS = (
    "accept",
    "content-type",
    "if-none-match",
    "moorage-device-time",
    "user-agent",
)
_FACTS = {
    "hostname": "gate-7",
    "ip_address": "192.0.2.7",
    "mac_address": "02:00:5e:10:00:07",
    "platform_release": "6.1.0",
    "platform_version": "#1 SMP",
    "timezone": "UTC",
}
_BOOT = "0f0e0d0c-0b0a-4908-8706-050403020100"
_FOLLOW_S = 8


class Listener(BaseHTTPRequestHandler):
    """Passes requests on to the server and keeps what was asked."""

    protocol_version = "HTTP/1.1"
    far_side: ClassVar[int] = 0
    heard: ClassVar[list[dict[str, Any]]] = []
    away: ClassVar[bool] = False

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if Listener.away:
            self.close_connection = True
            return
        onward = http.client.HTTPConnection("127.0.0.1", self.far_side, timeout=60)
        onward.request(self.command, self.path, body, dict(self.headers.items()))
        answer = onward.getresponse()
        content = answer.read()
        onward.close()
        self._keep(body)
        self.send_response(answer.status)
        for name in ("content-type", "etag", "retry-after"):
            if answer.getheader(name):
                self.send_header(name, answer.getheader(name) or "")
        self.send_header("content-length", str(len(content)))
        with contextlib.suppress(OSError):  # an agent that was killed meanwhile
            self.end_headers()
            self.wfile.write(content)

    do_GET = do_POST = do_PUT = _pass_on  # noqa: N815 - names of the base class

    def _keep(self, body: bytes) -> None:
        packed = self.headers.get("content-encoding") == "gzip"
        text = (gzip.decompress(body) if packed else body).decode() or None
        headers = {name: self.headers[name] for name in _KEPT_HEADERS if self.headers.get(name)}
        self.heard.append(
            {
                "method": self.command,
                "path": self.path,
                "headers": headers,
                "gzip": packed,
                "body": text,
            }
        )

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _play(folder: Path) -> None:
    """A device's first minute: enrolled, told things, without a network, killed, back again."""
    from support.agent import AgentProcess  # noqa: PLC0415 - on the path since main
    from support.server import ServerProcess  # noqa: PLC0415

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Listener)
    address = f"http://127.0.0.1:{listening.server_address[1]}"
    server = ServerProcess(folder / "server", env={"MOORAGE_PUBLIC_URL": address}).start()
    Listener.far_side = server.port
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    key = server.bootstrap()["api_key"]
    agent = AgentProcess(folder / "agent")
    with httpx.Client(
        base_url=server.base_url, headers={"Authorization": f"Bearer {key}"}
    ) as owner:
        made = owner.post("/v1/devices", json={"name": "gate"}).raise_for_status().json()
        agent.enrol(address, made["install_token"]).check_returncode()
        agent.command("run", "--once").check_returncode()
        agent.start()
        time.sleep(_FOLLOW_S)
        path = f"/v1/devices/{made['id']}"
        wanted = {"config": {"report_interval_s": 5, "x-color": "green"}}
        owner.patch(f"{path}/config", json=wanted).raise_for_status()
        for kind in ("ping", "collect_logs"):
            owner.post(f"{path}/commands", json={"kind": kind}).raise_for_status()
        time.sleep(_FOLLOW_S)
        Listener.away = True  # what it gathers now becomes the past
        time.sleep(_FOLLOW_S)
        agent.kill()
        with contextlib.closing(sqlite3.connect(agent.folder / "agent.db")) as store, store:
            store.execute("UPDATE rows SET boot = 'the boot before'")  # as if it had been rebooted
        Listener.away = False
        agent.start()
        time.sleep(_FOLLOW_S)
        agent.stop()
    server.stop()
    listening.shutdown()


def _tidied(heard: list[dict[str, Any]], folder: Path) -> list[dict[str, Any]]:
    """Take out keys and this machine, and make each epoch's chain again."""
    chains: dict[str, str] = {}
    for one in heard:
        if one["body"] is None:
            continue
        text = one["body"].replace(str(folder), "/var/lib")
        text = re.sub(r"started on [\w.-]+", f"started on {_FACTS['hostname']}", text)
        body = json.loads(re.sub(r"\b(adk|inst)_[0-9a-f]{48}\b", r"<\1>", text))
        facts = body.get("facts") or body.get("device") or {}
        facts.update({name: value for name, value in _FACTS.items() if name in facts})
        if "boot_id" in body:
            body["boot_id"] = _BOOT
        if one["path"] == "/v1/reports":
            epoch = body["epoch"]
            body["previous"] = chains.get(epoch, _sha256(epoch))
        one["body"] = json.dumps(body, separators=(",", ":"), ensure_ascii=False)
        if one["path"] == "/v1/reports":
            chains[epoch] = _sha256(f"{body['previous']}:{_sha256(one['body'])}")
    return heard


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def main() -> None:
    """Record, and write it down unless this version has been."""
    from moorage_agent import __version__  # noqa: PLC0415

    sys.path.insert(0, str(ROOT / "tests"))
    target = ROOT / "tests" / "golden" / f"agent-{__version__}" / "conversation.json"
    if target.exists():
        sys.exit(f"{target.relative_to(ROOT)} is there: what agents said is never changed")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _play(folder)
        told = _tidied(Listener.heard, folder)
    target.parent.mkdir(parents=True)
    target.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", "utf-8")
    print(f"{target.relative_to(ROOT)}: {len(told)} requests", file=sys.stderr)  # noqa: T201


if __name__ == "__main__":
    main()

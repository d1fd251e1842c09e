"""A workspace with something of everything in it, for looks at every page.

Thirty cameras, meters and gateways of a harbour: most of them online, others late, offline, failed,
locked out or never seen; with a day of telemetry, log lines, events, revisions of config, commands,
keys, tokens and people.
"""

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from console.stand import Stand
from moorage.core.devices.tables import presence
from support.devices import rfc3339

_PLACES = ("North pier", "South pier", "Gate", "Dry dock", "Fuel berth", "Crane 4", "Silo", "Weir")
_KINDS = {
    "camera": ("entrance", "yard"),
    "meter": (),
    "gateway": (),
}
_SERVICES = {
    "camera": ("inference-server", "recorder"),
    "meter": ("modbus",),
    "gateway": ("broker", "collector", "uplink"),
}
_LINES = (
    ("info", "connected to the camera at rtsp://10.20.4.17/main, 1920x1080 at 25 frames a second"),
    ("debug", "frame 184402 took 38 ms: decode 9, infer 24, publish 5"),
    ("info", "published 3 detections: person 0.91, forklift 0.88, person 0.64"),
    ("warning", "the queue to the broker holds 412 messages; the broker was last seen 9 s ago"),
    ("error", "cannot write to /var/lib/recorder: no space left on device; oldest clip is dropped"),
)
_SAMPLES, _EVERY = 288, timedelta(minutes=5)


@dataclass
class Filled:
    """Ids of what there is; ``main`` is the device with the most to see."""

    main: str
    offline: str
    failed: str
    quiet: str
    token: str
    living: list["_Box"] = field(default_factory=list)

    async def beat(self) -> None:
        """Have those report that are online: a look at all pages takes longer than that."""
        for box in self.living:
            await box.report()


@dataclass
class _Box:
    """One device that reports, without an order to prove."""

    stand: Stand
    id: str
    key: str
    sequence: int = 0

    async def report(self, **parts: Any) -> None:
        self.sequence += 1
        body = {"epoch": "e", "sequence": self.sequence, "sent_at": rfc3339(), **parts}
        answer = await self.stand.api.post(
            "/v1/reports", json=body, headers={"Authorization": f"Bearer {self.key}"}
        )
        assert answer.status_code == 200, answer.text


async def fill(stand: Stand) -> Filled:
    """Make it all; the server must be fresh."""
    boxes = []
    for number in range(28):
        kind = tuple(_KINDS)[number % 3]
        place = _PLACES[number % len(_PLACES)]
        boxes.append(await _box(stand, f"{place} {kind} {number // 8 + 1}", kind, place, number))
    main, failed, offline, late, locked = boxes[0], boxes[3], boxes[4], boxes[5], boxes[6]
    await _history(main)
    await _configs(stand, main, failed)
    await _trouble(failed)
    await _commands(stand, main)
    await _workspace(stand)
    await _of(stand, "PATCH", f"/v1/devices/{locked.id}", {"approval": "rejected"})
    quiet = await stand.make("Lighthouse, not mounted yet", type="camera", tags=["spare"])
    await _silent(stand, {offline.id: 5 * 3600, boxes[7].id: 260_000, late.id: 55})
    tokens = await stand.api.get("/v1/provisioning-tokens")
    silent = (offline, late, locked, boxes[7])
    living = [box for box in boxes if box not in silent]
    token_id = tokens.json()["data"][0]["id"]
    return Filled(main.id, offline.id, failed.id, quiet["id"], token_id, living)


async def _of(stand: Stand, method: str, path: str, body: Any, **headers: str) -> Any:
    answer = await stand.api.request(method, path, json=body, headers=headers)
    assert answer.status_code < 300, (path, answer.text)
    return answer.json() if answer.content else None


async def _box(stand: Stand, name: str, kind: str, place: str, number: int) -> _Box:
    tags = [place.lower().replace(" ", "-"), "harbour"] + (["pilot"] if number % 5 == 0 else [])
    made = await stand.make(name, type=kind, tags=tags, reference=f"HB-{1040 + number}")
    enrolled = await stand.api.post("/v1/enroll", json={"install_token": made["install_token"]})
    box = _Box(stand, made["id"], enrolled.json()["device_key"])
    streams = [
        {"id": f"st-{one}", "status": "running", "pipeline_id": f"{one}-people", "camera_fps": 25}
        | {"inference_fps": 14.6, "sharpness": 0.82, "started_at": _ago(hours=9)}
        for one in _KINDS[kind]
    ]
    services = [
        {"name": one, "state": "running", "image": f"registry.example/{one}:2.4", "restarts": 0}
        | {"cpu_percent": 12.5, "memory_mb": 412}
        for one in _SERVICES[kind]
    ]
    facts = {
        "hostname": f"hb-{kind}-{number:02d}",
        "agent_version": "0.1.0",
        "platform": "Linux",
        "platform_release": "6.12.34+rpt-rpi-v8",
        "architecture": "aarch64",
        "device_type": "Raspberry Pi 5 Model B",
        "ip_address": f"10.20.4.{17 + number}",
        "mac_address": f"2c:cf:67:1a:0b:{number:02x}",
        "timezone": "Europe/Oslo",
        "hardware": {"processor": "Cortex-A76", "total_memory_mb": 8062},
    }
    await box.report(
        facts=facts, streams=streams, services=services, uptime_s=86_400 * (number + 2) + 4_000
    )
    return box


def _ago(**span: float) -> str:
    return rfc3339(datetime.now(UTC) - timedelta(**span))


async def _history(box: _Box) -> None:
    """A day of telemetry, some hundred lines, some events."""
    now = datetime.now(UTC)
    samples = []
    for number in range(_SAMPLES):
        wave = math.sin(number / 40) + 0.4 * math.sin(number / 3)
        samples.append(
            {
                "at": rfc3339(now - _EVERY * (_SAMPLES - number)),
                "cpu_percent": 44 + 14 * wave,
                "memory_percent": 58 + 3 * wave,
                "disk_percent": 41 + number / 100,
                "gpu_percent": 62 + 18 * wave,
                "temperature_c": 55 + 5 * wave,
                "network_upload_bytes_per_sec": 310_000 + 90_000 * wave,
                "network_download_bytes_per_sec": 2_400_000 + 500_000 * wave,
            }
        )
    await box.report(telemetry=samples)
    lines = []
    for number in range(240):
        severity, message = _LINES[(number * 7) % 5 if number % 6 == 0 else number % 3]
        at = rfc3339(now - timedelta(seconds=(240 - number) * 7))
        service = _SERVICES["camera"][number % 2]
        lines.append({"at": at, "service": service, "severity": severity, "message": message})
    events = [
        {"id": f"e{hours}", "at": rfc3339(now - timedelta(hours=hours)), "event": name}
        | {"description": description, "entity_type": "stream", "entity_id": "st-yard"}
        for hours, name, description in (
            (1, "stream.recovered", "the camera answers again after 42 s"),
            (2, "stream.lost", "no frame from the camera for 30 s"),
            (7, "person.in_zone", "somebody stood in zone 3 for longer than 60 s"),
        )
    ]
    await box.report(logs=lines, events=events)


async def _configs(stand: Stand, box: _Box, failing: _Box) -> None:
    """Revisions to compare, one of them applied, and one that failed elsewhere."""
    layers = ({"config": {"report_interval_s": 30}}, {"config": {"log_level": "debug"}})
    for layer in layers:
        await _patch(stand, box, layer)
    await _patch(stand, failing, {"config": {"log_level": "warning"}})
    for one, state, error in ((box, "applied", None), (failing, "failed", "disk is full")):
        config = await stand.api.get("/v1/config", headers={"Authorization": f"Bearer {one.key}"})
        found = config.json()
        await one.report(
            config={"revision": found["revision"], "digest": found["digest"], "state": state}
            | ({"error": error} if error else {})
        )


async def _patch(stand: Stand, box: _Box, layer: dict[str, Any]) -> None:
    path = f"/v1/devices/{box.id}/config"
    merge = {"Content-Type": "application/merge-patch+json"}
    answer = await stand.api.patch(path, json=layer, headers=merge)
    assert answer.status_code == 200, answer.text


async def _trouble(box: _Box) -> None:
    await box.report(
        streams=[{"id": "st-yard", "status": "failed", "error": "the camera refuses the password"}],
        services=[
            {"name": "inference-server", "state": "failed", "restarts": 14}
            | {"error": "exited with 137: it was killed, most likely for its memory"},
            {"name": "recorder", "state": "running", "restarts": 0},
        ],
    )


async def _commands(stand: Stand, box: _Box) -> None:
    for kind, arguments in (
        ("ping", {}),
        ("restart_service", {"service": "recorder"}),
        ("pause_stream", {"stream_id": "st-yard"}),
    ):
        await _of(
            stand,
            "POST",
            f"/v1/devices/{box.id}/commands",
            {"kind": kind, "arguments": arguments},
        )
    waiting = await stand.api.get(f"/v1/devices/{box.id}/commands")
    ids = [one["id"] for one in waiting.json()["data"]]
    await box.report()
    await box.report(
        commands=[
            {"id": ids[-1], "state": "succeeded", "result": {"round_trip_ms": 21}},
            {"id": ids[-2], "state": "failed", "error": "recorder did not stop within 30 s"},
        ]
    )


async def _workspace(stand: Stand) -> None:
    for name, scopes in (
        ("CI", ["device:read"]),
        ("Dashboard in the hall", ["device:read", "audit:read"]),
    ):
        await _of(stand, "POST", "/v1/api-keys", {"name": name, "scopes": scopes})
    for name in ("Line 3", "Cameras of the north pier"):
        await _of(stand, "POST", "/v1/provisioning-tokens", {"name": name, "max_uses": 40})


async def _silent(stand: Stand, seconds: dict[str, float]) -> None:
    """Have devices last heard of so many seconds ago: nobody can wait for hours."""
    now = datetime.now(UTC)

    async def work(db: Any) -> None:
        async with db.write() as tx:
            for device_id, ago in seconds.items():
                at = now - timedelta(seconds=ago)
                change = sa.update(presence).where(presence.c.device_id == device_id)
                await tx.run(change.values(last_heartbeat_at=at, last_seen_at=at))

    await stand.database(work)


def addresses(there: Filled) -> dict[str, str]:
    """Every page, by a short name, and those of its states that look different."""
    device = f"/console/devices/{there.main}"
    pages = {
        "devices": "/console/devices?show=all&sort=last_heartbeat",
        "devices-amiss": "/console/devices",
        "devices-none": "/console/devices?show=all&q=nothing+like+it",
        "device": device,
        "device-failed": f"/console/devices/{there.failed}",
        "device-offline": f"/console/devices/{there.offline}",
        "device-never-seen": f"/console/devices/{there.quiet}",
        "add-waiting": f"/console/devices/add/{there.quiet}",
        "account": "/console/account",
        "signed-in-again": "/console/session/back",
        "not-there": "/console/nothing/here",
    }
    for how in ("linux", "many", "offline", "virtual", "api"):
        pages[f"add-{how}"] = f"/console/devices/add?how={how}"
    tabs = ("config", "streams", "services", "logs", "events", "commands", "keys", "access")
    for tab in tabs:
        pages[f"device-{tab}"] = f"{device}/{tab}"
        pages[f"device-{tab}-empty"] = f"/console/devices/{there.quiet}/{tab}"
    for name in ("keys", "tokens", "config", "audit", "health", "people"):
        pages[f"workspace-{name}"] = f"/console/workspace/{name}"
    return pages


# Before anybody signed in.
ENTRANCE = {
    "sign-in": "/console/sign-in",
    "set-up": "/console/set-up",
    "invitation": "/console/invitation",
    "password": "/console/password",
}

"""What agents of each release say is understood by this server: their words are said again to it.

A conversation is what ``tools/record_agent.py`` heard of a real agent. The chain is computed here,
apart from the server, as the protocol has it.
"""

import gzip
import json
from collections import Counter
from datetime import datetime
from pathlib import Path

import pytest

from moorage.kit.ids import new_key_text
from support.devices import all_rows, sha256

GOLDEN = Path(__file__).parents[2] / "golden"
RELEASES = sorted(path.name for path in GOLDEN.glob("agent-*"))


@pytest.fixture(params=RELEASES)
def conversation(request):
    return json.loads((GOLDEN / request.param / "conversation.json").read_text("utf-8"))


def reports_of(conversation):
    return [json.loads(one["body"]) for one in conversation if one["path"] == "/v1/reports"]


class Device:
    """Says what was recorded, with a key and a token of this server."""

    def __init__(self, running, token):
        self.running = running
        self.token, self.key = token, new_key_text("adk")
        self.id = None

    async def say(self, one):
        content = (one["body"] or "").replace("<inst>", self.token).replace("<adk>", self.key)
        body = content.encode()
        headers = dict(one["headers"])
        if one["path"] != "/v1/enroll":
            headers["authorization"] = f"Bearer {self.key}"
        if one["gzip"]:
            headers["content-encoding"] = "gzip"
        # What an agent waits for is not what is looked at here.
        path = one["path"].replace("wait=25", "wait=0")
        sent = gzip.compress(body) if one["gzip"] else body
        return await self.running.client.request(one["method"], path, content=sent, headers=headers)


@pytest.fixture
async def device(running):
    made = await running.client.post("/v1/devices", json={"name": "gate"}, headers=running.auth())
    return Device(running, made.json()["install_token"])


def acknowledges(answer, body):
    """An answer as ADR 4 has it for a report that continues its chain."""
    report, told = json.loads(body), answer.json()
    assert answer.status_code == 200, answer.text
    assert told["received"] == report["sequence"]
    assert told["chain"] == sha256(f"{report['previous']}:{sha256(body)}")
    assert datetime.fromisoformat(told["server_time"]).tzinfo is not None
    assert told["report_interval_s"] > 0
    assert isinstance(told["config_revision"], int)
    # An agent is told nothing of the present while it tells of the past.
    assert isinstance(told.get("commands", []), list)


async def test_every_agent_there_ever_was_is_understood(running, device, conversation):
    for one in conversation:
        answer = await device.say(one)
        if one["path"] == "/v1/reports":
            acknowledges(answer, one["body"])
        elif one["path"] == "/v1/enroll":
            assert answer.status_code == 200, answer.text
            device.id = answer.json()["device_id"]
        elif answer.status_code == 304:
            # Nobody changed the config of this device, and it named the one it has.
            assert one["headers"]["if-none-match"] == answer.headers["etag"]
        elif one["path"] == "/v1/config":
            assert answer.status_code == 200, answer.text
            assert answer.json().keys() >= {"revision", "digest", "document"}
            assert answer.headers["etag"] == f'"{answer.json()["digest"]}"'
        elif one["path"].startswith("/v1/commands?"):
            assert answer.status_code == 200, answer.text
            assert answer.json().keys() >= {"config_revision", "commands"}
        else:
            assert answer.status_code == 200, (one["path"], answer.text)
    told = reports_of(conversation)
    path = f"/v1/devices/{device.id}"
    for part, kind, name in (("logs", "logs", "message"), ("events", "events", "id")):
        rows = await all_rows(running.client, running.live_key, f"{path}/{kind}")
        said = Counter(row[name] for report in told for row in report.get(part, ()))
        assert said
        assert said <= Counter(row[name] for row in rows)
    samples = await all_rows(running.client, running.live_key, f"{path}/telemetry")
    assert len(samples) == sum(len(report.get("telemetry", ())) for report in told)
    shown = await running.client.get(path, headers=running.auth())
    assert shown.json()["facts"]["hostname"] == "gate-7"
    assert shown.json()["status"] == "online"


async def test_what_they_say_twice_is_kept_once(running, device, conversation):
    for one in conversation:
        await device.say(one)
        if one["path"] == "/v1/reports":
            acknowledges(await device.say(one), one["body"])
        elif one["path"] == "/v1/enroll":
            again = await device.say(one)
            assert again.status_code == 200, "a lost answer is given again"
            device.id = again.json()["device_id"]
    path = f"/v1/devices/{device.id}/telemetry"
    samples = await all_rows(running.client, running.live_key, path)
    told = reports_of(conversation)
    assert len(samples) == sum(len(report.get("telemetry", ())) for report in told)


def test_a_conversation_holds_all_that_an_agent_does():
    """So that a recording that was cut short is not taken for a promise kept."""
    for release in RELEASES:
        conversation = json.loads((GOLDEN / release / "conversation.json").read_text("utf-8"))
        paths = {one["path"].partition("?")[0] for one in conversation}
        assert {"/v1/enroll", "/v1/reports", "/v1/config", "/v1/commands"} <= paths
        reports = reports_of(conversation)
        for part in ("facts", "telemetry", "logs", "events", "config", "commands", "backfill"):
            assert any(part in report for report in reports), (release, part)
        assert any(one["gzip"] for one in conversation)
    assert RELEASES

"""Setting devices up: attempts, offline payloads, keys replaced; audit, ledger, and the feed."""

import asyncio
import base64
import json
import xml.etree.ElementTree as ET
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from dialects.native_kit import Api, new_uuid, on_sqlite, problem_of
from moorage.core import events
from moorage.core.caller import DeviceRef
from moorage.kit.ids import new_key_text, row_id_at
from support.devices import rfc3339
from support.senders import column


def unpadded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


async def post(api: Api, path: str, body: dict | None = None, **headers):
    return await api.client.post(path, json=body, headers={**api.auth(), **headers})


async def attempts_of(api: Api, device_id: str) -> list[dict]:
    return (await api.read(f"/v1/devices/{device_id}/attempts"))["data"]


async def test_what_was_tried_with_a_token_is_told_with_the_reason(api):
    made = await api.make()
    await api.client.get(f"/devices/v2/{made['install_token']}/install.sh")
    await api.enroll(made)
    again = await api.client.post("/v1/enroll", json={"install_token": made["install_token"]})
    problem_of(again, 401, "token_invalid")
    assert (await api.client.get(f"/devices/v2/{made['install_token']}/install.sh")).is_error
    found = await attempts_of(api, made["id"])
    assert [one["outcome"] for one in found] == ["refused", "refused", "fetched"]
    assert all("used already" in one["reason"] for one in found[:2])
    assert all(one["address"] for one in found)
    assert made["install_token"] not in json.dumps(found)


async def test_a_token_that_a_newer_one_replaced_is_told_too(api):
    made = await api.make()
    await post(api, f"/v1/devices/{made['id']}/install")
    refused = await api.client.post("/v1/enroll", json={"install_token": made["install_token"]})
    problem_of(refused, 401, "token_invalid")
    assert [one["outcome"] for one in await attempts_of(api, made["id"])] == ["refused"]


async def test_a_flood_of_attempts_keeps_few_rows(api):
    made = await api.make()
    await api.enroll(made)
    for _ in range(60):
        await api.client.post("/v1/enroll", json={"install_token": made["install_token"]})
    assert len(await attempts_of(api, made["id"])) == 50


async def test_attempts_with_a_token_nobody_made_leave_nothing(api):
    device = await api.make()
    for token in (new_key_text("inst"), "garbage", ""):
        await api.client.post("/v1/enroll", json={"install_token": token})
    assert await attempts_of(api, device["id"]) == []


async def test_an_offline_payload_is_signed_by_the_servers_key_and_enrols(api):
    made = await api.make("ein Gerät")
    offline = (await post(api, f"/v1/devices/{made['id']}/provisioning")).json()
    mark, body, signature = offline["payload"].split(".")
    assert mark == "MRG1"
    assert len(offline["payload"]) < 1000
    told = (await api.client.get("/v1/server-key")).json()
    assert told["algorithm"] == "Ed25519"
    key = Ed25519PublicKey.from_public_bytes(unpadded(told["public_key"]))
    key.verify(unpadded(signature), f"{mark}.{body}".encode())
    with pytest.raises(InvalidSignature):
        key.verify(unpadded(signature), f"{mark}.{body}x".encode())
    document = json.loads(unpadded(body))
    assert document["server"] == "http://moorage.test"
    assert document["device_id"] == made["id"]
    assert document["workspace"] == "acme"
    assert document["name"] == "ein Gerät"
    assert document["expires_at"] - document["issued_at"] == 365 * 86_400
    enrolled = await api.client.post("/v1/enroll", json={"install_token": document["secret"]})
    assert enrolled.json()["device_id"] == made["id"]


async def test_an_offline_payload_comes_as_a_picture_and_as_a_file(api):
    made = await api.make()
    answer = await post(api, f"/v1/devices/{made['id']}/provisioning", {"expires_in_s": 3600})
    offline = answer.json()
    picture = ET.fromstring(offline["qr_svg"])
    assert picture.tag.endswith("svg")
    assert not list(picture.iter("{http://www.w3.org/2000/svg}script"))
    assert offline["device_json"]["payload"] == offline["payload"]
    assert "secret" not in offline["device_json"]


async def test_a_fresh_payload_ends_the_one_before_but_no_install_token(api):
    made = await api.make()
    path = f"/v1/devices/{made['id']}/provisioning"
    secrets = []
    for _ in range(2):
        payload = (await post(api, path)).json()["payload"]
        secrets.append(json.loads(unpadded(payload.split(".")[1]))["secret"])
    first = await api.client.post("/v1/enroll", json={"install_token": secrets[0]})
    problem_of(first, 401, "token_invalid")
    assert (await api.enroll(made)).device_id == made["id"]
    # The device is enrolled: what is printed on a box must not take it over later.
    second = await api.client.post("/v1/enroll", json={"install_token": secrets[1]})
    problem_of(second, 401, "token_invalid")


async def test_a_replayed_payload_holds_no_secret(api):
    made = await api.make()
    path = f"/v1/devices/{made['id']}/provisioning"
    once = {"Idempotency-Key": "one"}
    first = (await post(api, path, **once)).json()
    again = (await post(api, path, **once)).json()
    assert again["replayed"] is True
    assert not {"payload", "qr_svg", "device_json"} & again.keys()
    assert again["expires_at"] == first["expires_at"]


async def test_a_rotated_key_works_and_the_old_one_does_not(api):
    device = await api.enroll()
    made = await post(api, f"/v1/devices/{device.device_id}/keys/rotate")
    assert made.status_code == 201
    problem_of(await api.report(device), 401, "key_invalid")
    assert (await api.report(made.json()["device_key"])).status_code == 200


async def test_the_audit_names_each_change_its_actor_and_no_secret(api):
    made = await api.make()
    await post(api, f"/v1/devices/{made['id']}/provisioning")
    await api.enroll(made)
    await api.client.delete(f"/v1/devices/{made['id']}", headers=api.auth())
    entries = (await api.read("/v1/audit", entity_id=made["id"]))["data"]
    assert [one["action"] for one in entries] == [
        "device.retired",
        "device.enrolled",
        "install_token.created",
        "install_token.created",
        "device.created",
    ]
    assert entries[0]["actor"].startswith("key:key_")
    assert made["install_token"] not in json.dumps(entries)
    only = (await api.read("/v1/audit", action="device.created", limit=1))["data"]
    assert [one["action"] for one in only] == ["device.created"]


async def test_the_audit_is_read_page_by_page_without_a_gap(api):
    for number in range(7):
        await api.make(f"device {number}")
    seen, cursor = [], None
    for _ in range(20):
        more = {} if cursor is None else {"cursor": cursor}
        page = await api.read("/v1/audit", limit=3, **more)
        seen += [one["id"] for one in page["data"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    whole = [one["id"] for one in (await api.read("/v1/audit", limit=500))["data"]]
    assert seen == whole
    assert len(set(seen)) == len(seen) > 7


async def test_the_ledger_shows_what_recomputes_the_chain(api):
    device = await api.enroll()
    for number in range(1, 6):
        await api.report(device, sequence=number, id=new_uuid())
    path = f"/v1/devices/{device.device_id}/reports"
    first = await api.read(path, limit=3)
    rest = await api.read(path, limit=3, cursor=first["next_cursor"])
    assert [one["sequence"] for one in first["data"] + rest["data"]] == [1, 2, 3, 4, 5]
    assert rest["next_cursor"] is None
    # These claimed no order, so none is shown.
    assert {one["chain"] for one in first["data"]} == {None}
    (epoch,) = first["epochs"]
    assert (epoch["epoch"], epoch["sequence"], epoch["backfill"]) == ("epoch-1", 5, False)


@asynccontextmanager
async def feed_of(api: Api, query: str = "", **headers):
    """Messages of the feed as they come; read at the ASGI boundary, for the client buffers."""
    bearer = api.auth()["Authorization"]
    messages: asyncio.Queue = asyncio.Queue()
    gone = asyncio.Event()
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "path": "/v1/stream",
        "raw_path": b"/v1/stream",
        "query_string": query.encode(),
        "headers": [
            (name.lower().replace("_", "-").encode(), value.encode())
            for name, value in {"authorization": bearer, **headers}.items()
        ],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
        "scheme": "http",
    }
    asked = False

    async def receive():
        nonlocal asked
        if not asked:
            asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message):
        for text in message.get("body", b"").decode().split("\n\n"):
            told = [line for line in text.splitlines() if not line.startswith(":")]
            lines = dict(line.split(": ", 1) for line in told)
            if "event" in lines:
                await messages.put((lines["event"], json.loads(lines["data"]), lines["id"]))

    task = asyncio.create_task(api.running.app(scope, receive, send))
    try:
        yield messages
    finally:
        gone.set()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def next_of(messages: asyncio.Queue, kind: str) -> tuple[dict, str]:
    async with asyncio.timeout(20):
        while True:
            found, data, message_id = await messages.get()
            if found == kind:
                return data, message_id


async def test_the_feed_tells_changes_of_status_events_and_lines(api):
    device = await api.enroll()
    async with feed_of(api, f"device={device.device_id}") as messages:
        hello, _ = await next_of(messages, "hello")
        assert hello["counts"]["never_seen"] == 1
        at = rfc3339()
        line = {"at": at, "service": "s", "severity": "info", "message": "hello"}
        event = {"id": "e1", "at": at, "event": "door.opened"}
        await api.report(device, sent_at=at, logs=[line], events=[event])
        # In no order: the report may be stored between the looks for one kind and for another.
        told: dict[str, dict] = {}
        async with asyncio.timeout(20):
            while told.keys() != {"event", "log", "status"}:
                kind, data, _ = await messages.get()
                told[kind] = data
        assert {one["device_id"] for one in told.values()} == {device.device_id}
        assert told["event"]["event"] == "door.opened"
        assert told["log"]["message"] == "hello"
        assert told["status"]["status"] == "online"


async def test_a_feed_goes_on_where_it_broke_off(api):
    device = await api.enroll()
    async with feed_of(api) as messages:
        _, last = await next_of(messages, "hello")
    await post(api, f"/v1/devices/{device.device_id}/commands", {"kind": "ping"})
    async with feed_of(api, last_event_id=last) as messages:
        # What happened in the last seconds before may come twice, and comes first.
        for _ in range(10):
            if (await next_of(messages, "event"))[0]["event"] == "command.queued":
                return
    pytest.fail("the command's event did not come")


async def happened(api, device_id: str, *ages_s: int) -> None:
    """Events of those ages, each described by its own."""
    now = datetime.now(UTC)
    (workspace_id,) = await column(api.running.db, "SELECT workspace_id FROM devices")
    ref = DeviceRef(device_id, workspace_id, live=True)
    async with api.running.db.write() as tx:
        for age_s in ages_s:
            at = now - timedelta(seconds=age_s)
            row = events.row_of(ref, events.EventText("test.mark", f"{age_s} s ago"), at)
            await events.append(tx, [row | {"id": row_id_at(at)}])


async def test_a_feed_that_breaks_off_within_a_page_misses_nothing_of_it(api):
    device = await api.enroll()
    await happened(api, device.device_id, 90, 60, 30)
    start = row_id_at(datetime.now(UTC) - timedelta(seconds=120))
    seen, position = [], f"e{start}.l{start}"
    for _ in range(3):
        async with feed_of(api, last_event_id=position) as messages:
            while True:
                told, position = await next_of(messages, "event")
                if told["event"] == "test.mark" and told["description"] not in seen:
                    seen.append(told["description"])
                    break
    assert seen == ["90 s ago", "60 s ago", "30 s ago"]


async def test_a_position_from_a_clock_that_was_ahead_holds_nothing_back(api):
    device = await api.enroll()
    ahead = row_id_at(datetime.now(UTC) + timedelta(hours=2))
    async with feed_of(api, last_event_id=f"e{ahead}.l{ahead}") as messages:
        await next_of(messages, "hello")
        await happened(api, device.device_id, 0)
        while (await next_of(messages, "event"))[0]["event"] != "test.mark":
            continue


@on_sqlite
@pytest.mark.parametrize("text", ["x", "e", "e1.l", "e" + "9" * 19, "1.2", "e-1"])
async def test_a_feed_position_that_is_none_is_refused(api, text):
    answer = await api.client.get("/v1/stream", headers={**api.auth(), "Last-Event-ID": text})
    problem_of(answer, 422, "invalid")


async def test_a_feed_holds_nothing_of_the_other_mode(api):
    device = await api.enroll()
    path = f"/v1/devices/{device.device_id}/commands"
    async with feed_of(api, authorization=f"Bearer {api.running.test_key}") as messages:
        hello, _ = await next_of(messages, "hello")
        assert set(hello["counts"].values()) == {0}
        await post(api, path, {"kind": "ping"})
        await asyncio.sleep(1.5)
        assert messages.empty()

"""Commands, streams, services, revisions and defaults through the native API."""

import asyncio

from dialects.native_kit import Api, pointers_of, problem_of


async def post(api: Api, path: str, body: dict | None = None):
    return await api.client.post(path, json=body or {}, headers=api.auth())


async def patch_config(api: Api, device_id: str, body: dict, **headers):
    return await api.client.patch(
        f"/v1/devices/{device_id}/config", json=body, headers={**api.auth(), **headers}
    )


async def test_a_command_goes_with_every_answer_until_its_result_is_in(api):
    device = await api.enroll()
    path = f"/v1/devices/{device.device_id}/commands"
    sent = (await post(api, path, {"kind": "ping"})).json()
    assert sent["state"] == "queued"
    for number in (1, 2):
        given = (await api.report(device, sequence=number)).json()["commands"]
        assert [command["id"] for command in given] == [sent["id"]]
    assert (await api.read(f"{path}/{sent['id']}"))["state"] == "delivered"
    result = {"id": sent["id"], "state": "succeeded", "result": {"pong": True}}
    answered = await api.report(device, commands=[result], sequence=3)
    assert answered.json()["commands"] == []
    done = await api.read(f"{path}/{sent['id']}")
    assert (done["state"], done["result"]) == ("succeeded", {"pong": True})
    events = (await api.read(f"/v1/devices/{device.device_id}/events"))["data"]
    told = [event["event"] for event in events if event["event"].startswith("command.")]
    assert told == ["command.succeeded", "command.delivered", "command.queued"]


async def test_backfill_brings_results_and_is_given_no_commands(api):
    device = await api.enroll()
    path = f"/v1/devices/{device.device_id}/commands"
    sent = (await post(api, path, {"kind": "ping"})).json()
    past = {"epoch": "past", "backfill": True}
    assert (await api.report(device, **past)).json()["commands"] == []
    result = {"id": sent["id"], "state": "failed", "error": "no"}
    await api.report(device, commands=[result], **{**past, "sequence": 2})
    assert (await api.read(f"{path}/{sent['id']}"))["state"] == "failed"


async def test_a_waiting_device_is_answered_as_soon_as_there_is_a_command(api):
    device = await api.enroll()
    waiting = asyncio.create_task(
        api.client.get("/v1/commands?wait=30", headers=device.auth, timeout=60)
    )
    await asyncio.sleep(0.2)
    assert not waiting.done()
    sent = await post(api, f"/v1/devices/{device.device_id}/commands", {"kind": "ping"})
    answer = await waiting
    assert [c["id"] for c in answer.json()["commands"]] == [sent.json()["id"]]


async def test_a_waiting_device_is_answered_when_its_config_changes(api):
    device = await api.enroll()
    waiting = asyncio.create_task(
        api.client.get("/v1/commands?wait=30&config_revision=1", headers=device.auth, timeout=60)
    )
    await asyncio.sleep(0.2)
    await patch_config(api, device.device_id, {"config": {"log_level": "debug"}})
    assert (await waiting).json()["config_revision"] == 2


async def test_a_wait_ends_when_the_key_is_revoked(api):
    device = await api.enroll()
    waiting = asyncio.create_task(
        api.client.get("/v1/commands?wait=30", headers=device.auth, timeout=60)
    )
    await asyncio.sleep(0.2)
    await api.client.delete(f"/v1/devices/{device.device_id}", headers=api.auth())
    assert (await waiting).status_code == 410


async def test_a_cancelled_command_is_given_to_nobody_and_stays_cancelled(api):
    device = await api.enroll()
    path = f"/v1/devices/{device.device_id}/commands"
    sent = (await post(api, path, {"kind": "ping"})).json()
    cancelled = await api.client.delete(f"{path}/{sent['id']}", headers=api.auth())
    assert cancelled.json()["state"] == "cancelled"
    assert (await api.report(device)).json()["commands"] == []
    again = await api.client.delete(f"{path}/{sent['id']}", headers=api.auth())
    problem_of(again, 409, "command_finished")


async def test_a_command_nobody_understands_is_refused_naming_the_part(api):
    device = await api.make()
    path = f"/v1/devices/{device['id']}/commands"
    problem_of(await post(api, path, {"kind": "dance"}), 422)
    missing = problem_of(await post(api, path, {"kind": "restart_service"}), 422)
    assert missing["errors"][0]["pointer"] == "/arguments/service"


async def test_a_reboot_needs_a_scope_of_its_own(api):
    device = await api.make()
    key = await api.key("command:send", "device:read")
    answer = await api.client.post(
        f"/v1/devices/{device['id']}/commands",
        json={"kind": "reboot"},
        headers=api.auth(key["key"]),
    )
    assert problem_of(answer, 403, "missing_scope")["scope"] == "command:reboot"


async def test_streams_come_from_config_and_from_reports_without_credentials(api):
    device = await api.enroll()
    source = "rtsp://admin:p@ss@10.0.0.5:554/live"
    await patch_config(
        api,
        device.device_id,
        {"streams": {"cam": {"name": "door", "source": source, "workflow_id": "wf"}}},
    )
    path = f"/v1/devices/{device.device_id}/streams"
    (stream,) = (await api.read(path))["data"]
    assert (stream["status"], stream["name"]) == ("provisioning", "door")
    assert stream["source"] == "rtsp://10.0.0.5:554/live"
    await api.report(device, streams=[{"id": "cam", "status": "running", "camera_fps": 29.5}])
    (stream,) = (await api.read(path))["data"]
    assert (stream["status"], stream["camera_fps"]) == ("running", 29.5)
    await api.report(device, streams=[], sequence=2)
    (stream,) = (await api.read(path))["data"]
    assert stream["status"] == "provisioning"


async def test_services_are_what_the_device_last_reported(api):
    device = await api.enroll()
    running = [{"name": "inference", "state": "running", "image": "a:1", "restarts": 2}]
    await api.report(device, services=running)
    await api.report(device, sequence=2)
    (service,) = (await api.read(f"/v1/devices/{device.device_id}/services"))["data"]
    assert (service["state"], service["restarts"]) == ("running", 2)


async def test_every_change_of_config_is_a_revision_that_can_be_gone_back_to(api):
    device_id = (await api.make())["id"]
    path = f"/v1/devices/{device_id}/config"
    for level in ("debug", "error"):
        await patch_config(api, device_id, {"config": {"log_level": level}})
    entries = (await api.read(f"{path}/revisions"))["data"]
    assert [entry["revision"] for entry in entries] == [3, 2, 1]
    assert entries[0]["changed"] == ["/config/log_level"]
    second = await api.read(f"{path}/revisions/2")
    back = (await post(api, f"{path}/rollback", {"revision": 2})).json()
    assert (back["revision"], back["digest"]) == (4, second["digest"])
    problem_of(await post(api, f"{path}/rollback", {"revision": 99}), 404, "not_found")


async def test_the_default_config_is_for_devices_made_from_then_on(api):
    before = (await api.make())["id"]
    answer = await api.client.put(
        "/v1/default-config",
        json={"patch": {"config": {"report_interval_s": 60}}},
        headers=api.auth(),
    )
    assert answer.json()["document"]["config"]["report_interval_s"] == 60
    after = (await api.make())["id"]
    assert (await api.read(f"/v1/devices/{before}"))["report_interval_s"] == 30
    assert (await api.read(f"/v1/devices/{after}"))["report_interval_s"] == 60
    origins = (await api.read(f"/v1/devices/{after}/config"))["origins"]
    assert origins["/config/report_interval_s"] == "workspace"


async def test_secrets_are_masked_without_the_scope_and_sealed_at_rest(api):
    device_id = (await api.make())["id"]
    secret = "hunter2-and-more"
    body = {
        "services": {"app": {"image": "a", "environment_variables": {"API_TOKEN": secret}}},
        "streams": {"cam": {"source": f"rtsp://u:{secret}@cam/1", "password": secret}},
    }
    await patch_config(api, device_id, body)
    path = f"/v1/devices/{device_id}/config"
    assert secret in str(await api.read(path))
    blind = await api.key("config:read")
    for more in ("", "/revisions/2"):
        assert secret not in str(await api.read(path + more, key=blind["key"]))
    import sqlalchemy as sa  # noqa: PLC0415 - this test alone looks at the rows

    async with api.running.db.read() as tx:
        rows = await tx.rows(sa.text("SELECT * FROM config_revisions"))
        audited = await tx.rows(sa.text("SELECT * FROM audit_entries"))
    assert secret not in str([tuple(row) for row in [*rows, *audited]])


async def test_a_key_can_be_disabled_protected_and_rolled(api):
    made = await api.key("device:read")
    path = f"/v1/api-keys/{made['id']}"

    async def change(body: dict):
        return await api.client.patch(path, json=body, headers=api.auth())

    async def works(key: str) -> bool:
        return (await api.client.get("/v1/devices", headers=api.auth(key))).status_code == 200

    await change({"disabled": True})
    assert not await works(made["key"])
    await change({"disabled": False})
    assert await works(made["key"])
    rolled = (await post(api, f"{path}/roll")).json()
    assert not await works(made["key"])
    assert await works(rolled["key"])
    path = f"/v1/api-keys/{rolled['id']}"
    await change({"protected": True})
    problem_of(await change({"disabled": True}), 409, "key_protected")
    problem_of(await change({"protected": False}), 403, "key_protected")
    problem_of(await post(api, f"{path}/roll"), 409, "key_protected")
    problem_of(await api.client.delete(path, headers=api.auth()), 409, "key_protected")


async def test_a_mask_that_comes_back_takes_no_secrets_place(api):
    made = await api.make()
    secret = {
        "services": {"s": {"environment_variables": {"A": "hush"}, "registry": {"token": "hush"}}},
        "streams": {"c": {"source": "rtsp://user:hush@10.0.0.9/live"}},
    }
    assert (await patch_config(api, made["id"], secret)).is_success
    narrow = await api.key("config:read", "config:write")
    headers = api.auth(narrow["key"])
    path = f"/v1/devices/{made['id']}/config"
    shown = (await api.client.get(path, headers=headers)).json()["own"]
    assert "hush" not in str(shown)
    for part, pointer in (
        ({"services": shown["services"]}, "/services/s/environment_variables/A"),
        ({"streams": shown["streams"]}, "/streams/c/source"),
    ):
        refused = await api.client.patch(path, json=part, headers=headers)
        assert pointers_of(problem_of(refused, 422, "invalid")) == [pointer]
    assert (await api.read(path))["own"] == secret

"""Config over the wire: read, changed, guarded by its ETag, fetched by the device."""

from dialects.native_kit import TIME, on_sqlite, pointers_of, problem_of


async def patch(api, device_id: str, body, **headers: str):
    return await api.client.patch(
        f"/v1/devices/{device_id}/config", json=body, headers={**api.auth(), **headers}
    )


@on_sqlite
async def test_a_config_tells_its_document_origins_and_what_was_proved(api):
    made = await api.make()
    answer = await api.client.get(f"/v1/devices/{made['id']}/config", headers=api.auth())
    config = answer.json()
    assert answer.headers["etag"] == f'"{config["digest"]}"'
    assert config["document"]["config"]["report_interval_s"] == 30
    assert config["origins"]["/config/report_interval_s"] == "base"
    assert config["applied"] == {
        "state": "unknown",
        "revision": None,
        "error": None,
        "reported_at": None,
    }
    assert TIME.fullmatch(config["created_at"])


@on_sqlite
async def test_a_change_makes_a_revision_with_an_etag_of_its_own(api):
    made = await api.make()
    before = await api.read(f"/v1/devices/{made['id']}/config")
    answer = await patch(api, made["id"], {"config": {"report_interval_s": 60}})
    after = answer.json()
    assert after["revision"] == before["revision"] + 1
    assert after["document"]["config"]["report_interval_s"] == 60
    assert answer.headers["etag"] == f'"{after["digest"]}"' != f'"{before["digest"]}"'


@on_sqlite
async def test_a_change_that_changes_nothing_makes_no_revision(api):
    made = await api.make()
    first = await patch(api, made["id"], {"config": {"log_level": "debug"}})
    again = await patch(api, made["id"], {"config": {"log_level": "debug"}})
    assert again.json()["revision"] == first.json()["revision"]


@on_sqlite
async def test_a_merge_patch_may_say_its_media_type(api):
    made = await api.make()
    answer = await api.client.patch(
        f"/v1/devices/{made['id']}/config",
        content=b'{"config": {"log_level": "debug"}}',
        headers={**api.auth(), "Content-Type": "application/merge-patch+json"},
    )
    assert answer.status_code == 200


async def test_of_two_who_saw_the_same_revision_only_the_first_changes_it(api):
    made = await api.make()
    read = await api.client.get(f"/v1/devices/{made['id']}/config", headers=api.auth())
    etag = read.headers["etag"]
    first = await patch(api, made["id"], {"config": {"log_level": "debug"}}, **{"If-Match": etag})
    assert first.status_code == 200
    second = await patch(api, made["id"], {"config": {"log_level": "error"}}, **{"If-Match": etag})
    assert problem_of(second, 412, "revision_changed")["revision"] == 2
    now = await api.read(f"/v1/devices/{made['id']}/config")
    assert now["document"]["config"]["log_level"] == "debug"


@on_sqlite
async def test_if_match_star_takes_any_revision(api):
    made = await api.make()
    answer = await patch(api, made["id"], {"streams": {"a": {}}}, **{"If-Match": "*"})
    assert answer.status_code == 200


@on_sqlite
async def test_an_if_match_that_is_no_single_strong_tag_is_refused(api):
    made = await api.make()
    for tag in ("x", '"', 'W/"a"', '"a", "b"', ""):
        answer = await patch(api, made["id"], {}, **{"If-Match": tag})
        problem_of(answer, 422, "if_match_invalid")


async def test_an_owner_who_knows_the_document_is_still_told_what_was_proved_since(api):
    device = await api.enroll()
    path = f"/v1/devices/{device.device_id}/config"
    etag = (await api.client.get(path, headers=api.auth())).headers["etag"]
    await api.report(device, config={"revision": 1, "state": "failed", "error": "no camera"})
    answer = await api.client.get(path, headers={**api.auth(), "If-None-Match": etag})
    assert answer.status_code == 200
    assert answer.headers["etag"] == etag
    applied = answer.json()["applied"]
    assert (applied["state"], applied["error"]) == ("failed", "no camera")


async def test_a_device_gets_its_document_and_then_only_what_changed(api):
    device = await api.enroll()
    first = await api.client.get("/v1/config", headers=device.auth)
    told = first.json()
    assert told["device_id"] == device.device_id
    assert told["document"]["config"]["report_interval_s"] == 30
    etag = first.headers["etag"]
    for tag in (etag, f'"other", {etag}', f"W/{etag}", "*"):
        same = await api.client.get("/v1/config", headers={**device.auth, "If-None-Match": tag})
        assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", etag), tag
    await patch(api, device.device_id, {"config": {"log_level": "debug"}})
    new = await api.client.get("/v1/config", headers={**device.auth, "If-None-Match": etag})
    assert new.status_code == 200
    assert new.json()["revision"] == told["revision"] + 1


@on_sqlite
async def test_a_device_is_told_of_a_new_revision_with_its_next_report(api):
    device = await api.enroll()
    await patch(api, device.device_id, {"config": {"report_interval_s": 60}})
    told = (await api.report(device)).json()
    assert (told["config_revision"], told["report_interval_s"]) == (2, 60)


@on_sqlite
async def test_a_config_that_cannot_be_applied_is_refused_naming_the_place(api):
    made = await api.make()
    wrong = {
        "/config": {"config": 7},
        "/streams/a~1b": {"streams": {"a/b": 1}},
        "/config/report_interval_s": {"config": {"report_interval_s": 1}},
        "/config/log_level": {"config": {"log_level": "loud"}},
    }
    for pointer, body in wrong.items():
        assert pointers_of(problem_of(await patch(api, made["id"], body), 422)) == [pointer]
    assert (await api.read(f"/v1/devices/{made['id']}/config"))["revision"] == 1


async def test_reading_its_config_is_a_contact_but_no_heartbeat(api):
    device = await api.enroll()
    path = f"/v1/devices/{device.device_id}"
    enrolled = await api.read(path)
    assert enrolled["last_seen_at"] is not None, "enrolling is a contact"
    await api.client.get("/v1/config", headers=device.auth)
    read = await api.read(path)
    assert read["last_seen_at"] >= enrolled["last_seen_at"]
    assert (read["status"], read["presence"]["last_contact_at"]) == ("never_seen", None)
    await api.report(device)
    reported = await api.read(path)
    assert reported["status"] == "online"
    assert reported["presence"]["last_contact_at"] is not None


@on_sqlite
async def test_a_device_never_enrolled_was_never_seen(api):
    made = await api.make()
    assert (made["last_seen_at"], made["status"]) == (None, "never_seen")

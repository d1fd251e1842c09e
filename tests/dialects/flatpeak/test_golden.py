"""Every route's answer, held against a sample of what that API answers."""

from dialects.flatpeak_kit import ABSENT, golden, matches
from dialects.native_kit import on_sqlite
from support.samples import same

REFERENCE = "DEV1234567890"


async def test_a_login(fp):
    matches(await fp.log_in(), "login")


async def test_a_device_made_read_changed_and_ended(fp):
    made = await fp.ask("POST", "/devices", json={"reference_id": REFERENCE})
    made = matches(made, "device-new", 201)
    assert made["account_id"] == fp.account_id
    path = f"/devices/{made['id']}"
    assert matches(await fp.ask("GET", path), "device-new") == made
    same(await fp.page(), golden("devices"))
    key = await fp.enroll(made["id"])
    fp.clock.advance(seconds=30, milliseconds=987)
    await fp.report(key)
    assert matches(await fp.ask("GET", path), "device")["id"] == made["id"]
    changed = await fp.change(made["id"], REFERENCE)
    assert matches(changed, "device")["id"] == made["id"]
    matches(await fp.ask("DELETE", path), "accepted", 202)
    same(await fp.page(), golden("devices-none"))


async def test_a_device_without_a_reference_shows_its_id(fp):
    made = matches(await fp.ask("POST", "/devices", key=fp.test_key), "device-test", 201)
    assert made["reference_id"] == made["id"]
    found = await fp.ask("GET", f"/devices/{made['id']}", key=fp.test_key)
    assert matches(found, "device-test") == made


@on_sqlite
async def test_refusals(fp):
    made = await fp.make(REFERENCE)
    again = await fp.ask("POST", "/devices", json={"reference_id": REFERENCE})
    matches(again, "error-conflict", 409)
    matches(await fp.ask("GET", "/devices", key=None), "error-denied", 403)
    nothing = (await fp.new_key(key=fp.test_key))["key"]
    matches(await fp.ask("GET", "/devices", key=nothing), "error-scope", 403)
    older = {"Flatpeak-Version": "2024-01-01.cathode"}
    path = f"/devices/{made['id']}"
    matches(await fp.ask("GET", path, headers=older), "error-version", 422)
    matches(await fp.change(made["id"], ""), "error-parameter", 422)
    matches(await fp.ask("DELETE", f"/devices/{ABSENT}"), "error-not-found", 404)

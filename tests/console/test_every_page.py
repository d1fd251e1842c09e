"""What holds for each page, those of tomorrow too: the routes are read from the application."""

import pytest

from console.kit import HX, Seen, browser, filled, pages
from dialects.native_kit import on_sqlite
from moorage.console.app import ENTRANCE
from support.devices import rfc3339

# What a member may do whatever the role: it is about the own account and session.
OWN = ("/console/sign-out", "/console/switch", "/console/account", "/console/fleet/views")
# Answered at once and without an end: these have tests of their own.
STREAMS = ("/console/events",)
PLANTED = "\"'><img src=x onerror=planted()><script>planted()</script>{{7*7}}"


def looked_at() -> list[str]:
    return [path for path in pages("GET") if not path.endswith(STREAMS)]


@pytest.fixture
async def device(api):
    made = await api.make("gate")
    return await api.enroll(made)


@on_sqlite
async def test_nobody_sees_a_page_without_signing_in(console):
    for path in pages("GET"):
        answer = await console.anyone.get(filled(path, device_id="dev_" + "0" * 24))
        assert answer.status_code == 303, path
        assert answer.headers["location"].startswith("/console/sign-in"), path
        part = await console.anyone.get(filled(path), headers=HX)
        assert part.status_code == 401, path
    for path in pages("POST"):
        assert (await console.anyone.post(filled(path))).status_code == 401, path


@on_sqlite
async def test_a_device_of_another_workspace_is_not_there(console, running, device):
    made = await console.people.set_up("eve@example.com", "neighbour")
    eve = browser(running, made)
    for path in pages("GET"):
        if "{device_id}" in path:
            address = filled(path, device_id=device.device_id)
            assert (await console.owner.get(address)).status_code != 401, path
            assert (await eve.get(address)).status_code == 404, path
    for path in pages("POST"):
        if "{device_id}" in path:
            answer = await eve.post(filled(path, device_id=device.device_id))
            assert answer.status_code in (404, 422), path
    await eve.client.aclose()


@on_sqlite
async def test_a_viewer_changes_nothing(console, device):
    for path in pages("POST"):
        if not path.startswith(OWN):
            answer = await console.viewer.post(filled(path, device_id=device.device_id))
            assert answer.status_code == 403, (path, answer.text[:500])


@on_sqlite
async def test_nothing_is_changed_without_the_sessions_token(console, device):
    for path in pages("POST"):
        address = filled(path, device_id=device.device_id)
        for token in ("", "0" * 64, console.viewer.csrf):
            answer = await console.owner.post(address, **{"X-CSRF-Token": token})
            assert answer.status_code == 403, path
            assert 'data-code="csrf_token_wrong"' in answer.text, path


@on_sqlite
async def test_nothing_is_changed_that_another_site_began(console, device):
    for path in pages("POST") + [path for method, path, _ in ENTRANCE if method == "POST"]:
        address = filled(path, device_id=device.device_id)
        for told in ({"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}):
            answer = await console.owner.post(address, **told)
            assert answer.status_code == 403, path
        headers = {"Origin": "http://evil.test", "X-CSRF-Token": console.owner.csrf}
        answer = await console.owner.client.post(address, headers=headers)
        assert answer.status_code == 403, path


@on_sqlite
async def test_every_page_has_its_headers_and_nothing_inline(console, device):
    entrance = [path for method, path, _ in ENTRANCE if method == "GET"]
    for path in looked_at() + entrance:
        for headers in ({}, HX):
            answer = await console.owner.get(filled(path, device_id=device.device_id), **headers)
            assert answer.status_code < 500, (path, answer.text[:500])
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'" in policy, path
            assert "unsafe" not in policy, path
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["referrer-policy"] == "same-origin"
            assert answer.headers["cache-control"] == "no-store", path
            seen = Seen(answer.text)
            assert seen.inline == [], path
            for address in seen.loaded:
                assert address.startswith(("/console/", "data:", "#")), (path, address)


@on_sqlite
async def test_what_a_device_sends_is_shown_and_never_run(console, api, running):
    """Script in every field that a device or its owner can fill, seen on every page."""
    made = await api.make(PLANTED, type=PLANTED[:60], tags=[PLANTED], reference=PLANTED)
    device = await api.enroll(made)
    at = rfc3339()
    facts = dict.fromkeys(
        ("hostname", "platform", "processor", "device_type", "agent_version", "gpu"), PLANTED
    )
    line = {"at": at, "service": PLANTED, "severity": "error", "message": PLANTED}
    event = {
        "id": "e1",
        "at": at,
        "event": "planted.event",
        "description": PLANTED,
        "metadata": {PLANTED: PLANTED},
    }
    answer = await api.report(device, sent_at=at, facts=facts, logs=[line], events=[event])
    assert answer.status_code == 200, answer.text
    running_parts = {
        "streams": [{"id": PLANTED, "name": PLANTED, "state": "failed", "error": PLANTED}],
        "services": [{"name": PLANTED, "state": PLANTED, "error": PLANTED, "image": PLANTED}],
    }
    await api.report(device, sequence=2, sent_at=rfc3339(), **running_parts)
    for path in looked_at():
        for headers in ({}, HX):
            address = filled(path, device_id=device.device_id)
            answer = await console.owner.get(address, **headers)
            if not answer.headers.get("content-type", "").startswith("text/html"):
                continue  # nothing runs in it, for browsers are told not to guess
            assert "<img src=x" not in answer.text, path
            assert "<script>planted" not in answer.text, path
            assert "{{7*7}}" in answer.text or "7*7" not in answer.text, path
            assert Seen(answer.text).inline == [], path


@on_sqlite
async def test_an_address_that_is_no_page_is_a_page_that_says_so(console):
    whole = await console.owner.get("/console/nothing/here")
    assert (whole.status_code, "To your devices" in whole.text) == (404, True)
    part = await console.owner.get("/console/nothing", fragment=True)
    assert part.headers["hx-retarget"] == "#notices"
    assert (await console.owner.client.put("/console/devices")).status_code == 405

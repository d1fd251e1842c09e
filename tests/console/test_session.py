"""Signing in and out, what the cookie is, and what ends with the session."""

from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from console.kit import browser, live, next_of
from dialects.native_kit import on_sqlite
from moorage.console.bulk import ACTIONS
from moorage.core import accounts
from moorage.dialects.common import feed
from moorage.storage import StorageFull
from support.accounts import PASSWORD


async def sign_in(console, **fields):
    return await console.anyone.post("/console/sign-in", data=fields)


async def test_who_signs_in_gets_where_they_were_going(console):
    to = "/console/devices?status=late"
    answer = await sign_in(console, email="Ada@example.com", password=PASSWORD, next=to)
    assert answer.status_code == 303
    assert answer.headers["location"] == to
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Path=/console" in cookie
    assert (await console.anyone.get(to)).status_code == 200


@on_sqlite
@pytest.mark.parametrize(
    "to", ["//evil.test/", "https://evil.test", "/v1/docs", "/console/../x\\y", "", "javascript:1"]
)
async def test_signing_in_leads_to_a_page_of_ours_only(console, to):
    answer = await sign_in(console, email="ada@example.com", password=PASSWORD, next=to)
    assert answer.headers["location"] == "/console/devices"


@on_sqlite
async def test_a_wrong_password_and_an_unknown_account_are_answered_alike(console):
    wrong = await sign_in(console, email="ada@example.com", password="no")
    unknown = await sign_in(console, email="adb@example.com", password="no")
    assert wrong.status_code == unknown.status_code == 403
    assert wrong.text.replace("ada@", "adb@") == unknown.text
    assert "set-cookie" not in wrong.headers


async def test_a_session_that_was_ended_opens_nothing_more(console):
    assert (await console.owner.post("/console/sign-out")).headers["hx-redirect"]
    answer = await console.owner.get("/console/devices")
    assert answer.status_code == 303
    assert (await console.operator.get("/console/devices")).status_code == 200


async def test_the_stream_tells_what_happens_and_ends_with_the_session(console, api, running):
    device = await api.enroll()
    async with live(running, console.owner) as messages:
        hello = await next_of(messages, "hello")
        assert hello["counts"]["never_seen"] == 1
        await api.report(device)
        told = await next_of(messages, "status")
        assert (told["device_id"], told["status"]) == (device.device_id, "online")
        async with running.db.write() as tx:
            await accounts.end_session(tx, console.owner.made.session)
        while await messages.get() is not None:
            pass


@on_sqlite
async def test_the_stream_of_one_workspace_tells_nothing_of_another(console, api, running):
    made = await console.people.set_up("eve@example.com", "neighbour")
    eve = browser(running, made)
    await api.make("gate")
    async with live(running, eve) as messages:
        hello = await next_of(messages, "hello")
        assert sum(hello["counts"].values()) == 0
    await eve.client.aclose()


@on_sqlite
async def test_switching_to_test_mode_shows_the_devices_of_test_mode(console, api):
    await api.make("live-one")
    await api.make("test-one", key=api.running.test_key)
    assert "live-one" in await console.owner.page("/console/devices")
    answer = await console.owner.post("/console/switch", {"mode": "test"})
    assert answer.status_code == 204
    page = await console.owner.page("/console/devices")
    assert "test-one" in page
    assert "live-one" not in page
    assert "Test mode" in page
    refused = await console.owner.post("/console/switch", {"workspace": "acc_" + "0" * 24})
    assert refused.status_code == 404


async def test_a_page_of_another_mode_changes_nothing_until_one_is_back(console, api):
    made = await api.make("gate")
    page = await console.owner.page("/console/devices")
    of_live = {"X-Moorage-Place": "acme:live"}
    assert '"X-Moorage-Place": "acme:live"' in page
    tag = {"action": "tag", "tags": "seen", "total": "1", "id": made["id"]}
    await console.owner.post("/console/switch", {"mode": "test"}, **of_live)
    for path, fields in (("/console/fleet/bulk", tag), ("/console/workspace/keys", {"name": "k"})):
        refused = await console.owner.post(path, fields, **of_live)
        assert refused.status_code == 409
        assert 'data-code="place_changed"' in refused.text
        assert "acme in live mode; you are in acme in test mode" in refused.text
        assert refused.headers["hx-retarget"] == "#notices", "what was typed stays"
    await console.owner.post("/console/switch", {"mode": "live"}, **of_live)
    assert (await console.owner.post("/console/fleet/bulk", tag, **of_live)).status_code == 200
    assert (await api.read(f"/v1/devices/{made['id']}"))["tags"] == ["seen"]


@on_sqlite
async def test_a_plain_form_says_its_place_in_a_field(console):
    fields = {"csrf": console.owner.csrf, "place": "acme:test", "name": "Ada L."}
    refused = await console.owner.client.post("/console/account/name", data=fields)
    assert refused.status_code == 409
    fields["place"] = "acme:live"
    assert (
        await console.owner.client.post("/console/account/name", data=fields)
    ).status_code == 303


@on_sqlite
async def test_what_is_under_way_does_not_go_on_elsewhere(console, api, monkeypatch):
    """Another tab switches between two devices of one step."""
    made = [await api.make(f"d{number}") for number in range(2)]
    run = ACTIONS["tag"].run

    async def then_switch(tx, caller, device, order):
        told = await run(tx, caller, device, order)
        await accounts.switch(tx, console.owner.made.session, live=False)
        return told

    monkeypatch.setitem(ACTIONS, "tag", replace(ACTIONS["tag"], run=then_switch))
    ids = [one["id"] for one in made]
    fields = {"action": "tag", "tags": "x", "total": "2", "id": ids}
    answer = await console.owner.post("/console/fleet/bulk", fields)
    assert answer.status_code == 409
    assert 'data-code="place_changed"' in answer.text
    tagged = [(await api.read(f"/v1/devices/{one}"))["tags"] for one in ids]
    assert tagged == [["x"], []]


async def test_pages_are_shown_while_the_database_takes_no_writes(console, running, monkeypatch):
    monkeypatch.setattr(accounts.Session, "is_to_note", lambda _session, _now: True)

    @asynccontextmanager
    async def full():
        raise StorageFull("the disk is full")
        yield

    monkeypatch.setattr(running.db, "write", full)
    assert (await console.owner.get("/console/devices")).status_code == 200
    refused = await console.owner.post("/console/account/name", {"name": "Ada L."})
    assert refused.status_code == 507


async def test_one_person_follows_with_a_bounded_number_of_tabs(console, running, monkeypatch):
    monkeypatch.setattr(feed, "_MOST_FEEDS_OF_ONE", 2)
    async with live(running, console.owner) as first, live(running, console.owner) as second:
        for messages in (first, second):
            await next_of(messages, "hello")
        refused = await console.owner.get("/console/events", accept="text/event-stream")
        assert refused.status_code == 503
        async with live(running, console.operator) as others:
            await next_of(others, "hello")
    async with live(running, console.owner) as again:
        await next_of(again, "hello")


@on_sqlite
async def test_the_first_account_is_made_with_the_link_that_the_server_printed(running):
    async with running.db.write() as tx:
        link = await accounts.new_set_up_link(tx)
    form = {
        "token": link.text,
        "name": "Ada",
        "email": "ada@example.com",
        "password": PASSWORD,
        "workspace": "harbour",
    }
    short = await running.client.post(
        "/console/set-up", data={**form, "password": "short"}, headers={"HX-Request": "true"}
    )
    assert short.status_code == 422
    assert short.headers["hx-retarget"] == "#notices"
    made = await running.client.post("/console/set-up", data=form, headers={"HX-Request": "true"})
    assert made.headers["hx-redirect"] == "/console/devices"
    page = await running.client.get("/console/devices")
    assert "harbour" in page.text
    assert "Welcome" in page.text
    assert "Welcome" not in (await running.client.get("/console/devices")).text
    again = await running.client.post("/console/set-up", data=form)
    assert again.status_code == 401
    assert "link is good no longer" in again.text

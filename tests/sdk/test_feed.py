"""The feed through either client: told as it happens, nothing lost in a gap, and nothing twice."""

import asyncio
import json
from contextlib import aclosing, closing

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.devices import enrol
from moorage import sdk
from moorage.sdk.feed import Following, Parser
from sdk.wire import Refuse, Wire
from support.server import ServerProcess

MOST = 200


class Enough(Exception):
    """The test has seen what it waited for."""


def follow(fleet, step, *, most=MOST, **how):
    """Hand each message to ``step`` until it says that it is enough; return all of them."""
    seen = []

    def take(message):
        seen.append(message)
        if step(message):
            raise Enough
        assert len(seen) < most, seen

    def blocking():
        with (
            sdk.Moorage(fleet.url, fleet.key, retries=fleet.retries) as client,
            closing(client.stream(**how)) as messages,
        ):
            for message in messages:
                take(message)

    async def awaited():
        async with (
            sdk.AsyncMoorage(fleet.url, fleet.key, retries=fleet.retries) as client,
            aclosing(client.stream(**how)) as messages,
        ):
            async for message in messages:
                take(message)

    with pytest.raises(Enough):
        blocking() if fleet.kind == "blocking" else asyncio.run(awaited())
    return seen


def box_of(fleet, name):
    return enrol(fleet.url, fleet.call(lambda c: c.devices.create(name)).install_token)


def test_statuses_and_lines_of_a_device_are_told_as_they_come(fleet):
    box = box_of(fleet, "told")

    def step(message):
        if message.kind == "hello":
            box.log("one", "two")
        seen.append(message)
        return "online" in statuses() and len(lines()) == 2

    def lines():
        return [one.data["message"] for one in seen if one.kind == "log"]

    def statuses():
        told = [one.data for one in seen if one.kind == "status"]
        return [one["status"] for one in told if one["device_id"] == box.id]

    seen = []
    follow(fleet, step, device_id=box.id)
    assert seen[0].kind == "hello"
    assert lines() == ["one", "two"]


@pytest.mark.parametrize("kind", ["blocking", "awaited"])
def test_what_happens_while_the_server_is_away_is_told_after_it_and_nothing_twice(tmp_path, kind):
    server = ServerProcess(tmp_path / "server").start()
    fleet = type("Fleet", (), {})()
    fleet.kind, fleet.url, fleet.retries = kind, server.base_url, sdk.Retries(first_pause_s=0.1)
    fleet.key = server.bootstrap()["api_key"]
    with sdk.Moorage(fleet.url, fleet.key) as client:
        box = enrol(fleet.url, client.devices.create("a").install_token)
    lines, hellos = [], []

    def step(message):
        if message.kind == "hello":
            hellos.append(message)
            if len(hellos) == 1:
                box.log("before")
        if message.kind != "log":
            return False
        lines.append(message.data["message"])
        if lines == ["before"]:
            assert server.stop() == 0
            server.start()
            box.log("meanwhile")
        return lines[-1] == "last" or (lines[-1] == "meanwhile" and box.log("last"))

    try:
        follow(fleet, step, device_id=box.id)
    finally:
        server.kill()
    assert lines == ["before", "meanwhile", "last"]
    assert len(hellos) == 2


def test_a_key_that_is_revoked_ends_it_with_that_reason(fleet):
    narrow = fleet.call(lambda c: c.keys.create("follower", scopes=["device:read"]))
    wide, fleet.key = fleet.key, narrow.key

    def step(message):
        assert message.kind in ("hello", "status", "event")
        if message.kind == "hello":
            httpx.delete(
                f"{fleet.url}/v1/api-keys/{narrow.id}", headers={"Authorization": f"Bearer {wide}"}
            )
        return False

    with pytest.raises(sdk.Unauthenticated):
        follow_until_refused(fleet, step)


def follow_until_refused(fleet, step):
    async def awaited():
        async with sdk.AsyncMoorage(fleet.url, fleet.key) as client:
            async for message in client.stream():
                step(message)

    if fleet.kind == "awaited":
        asyncio.run(awaited())
        return
    with sdk.Moorage(fleet.url, fleet.key) as client:
        for message in client.stream():
            step(message)


def test_what_cannot_be_opened_at_first_is_refused_as_any_call_is(fleet):
    problem = {"Content-Type": "application/problem+json"}
    body = json.dumps({"status": 404, "code": "not_found", "detail": "no"}).encode()
    with Wire(fleet.url) as wire:
        fleet.url = wire.url
        for answer, error in (
            (Refuse(404, problem, body), sdk.NotFound),
            (Refuse(200, {"Content-Type": "application/json"}, b"{}"), sdk.UnexpectedAnswer),
            (Refuse(200, {"Content-Type": "text/html"}, b"<p>"), sdk.UnexpectedAnswer),
            (Refuse(302, {"Location": "/"}), sdk.UnexpectedAnswer),
        ):
            wire.plan.append(answer)
            with pytest.raises(error):
                follow_until_refused(fleet, print)
    fleet.url, fleet.key = "http://127.0.0.1:9", "k"
    with (
        pytest.raises(sdk.ConnectionFailed),
        sdk.Moorage(fleet.url, "k", retries=sdk.Retries(most=0)) as client,
    ):
        next(client.stream())


messages = st.lists(
    st.tuples(
        st.sampled_from(["log", "event", "status"]),
        st.dictionaries(st.text(max_size=3), st.text(max_size=9), max_size=3),
        st.integers(0, 99),
    ),
    max_size=5,
)


@given(messages, st.sampled_from(["\n", "\r\n"]), st.data())
def test_messages_come_out_whole_however_the_bytes_are_cut(sent, end, data):
    wire = "".join(
        f"id: e{at}{end}event: {kind}{end}data: {json.dumps(body)}{end}{end}: here{end}{end}"
        for kind, body, at in sent
    ).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=6)))
    parser, got = Parser(), []
    for start, stop in zip([0, *cuts], [*cuts, len(wire)], strict=True):
        got += parser.feed(wire[start:stop])
    assert [(one.kind, one.data, one.id) for one in got] == [(k, b, f"e{at}") for k, b, at in sent]


def test_equal_lines_are_as_many_as_there_were_before_and_after_a_gap():
    """A program may log one thing twice in a moment; its number tells what is sent again."""
    line = b'id: e1.l1\nevent: log\ndata: {"message": "same"}\n\n'
    following = Following((), sdk.Retries(), None)
    assert following.opened(200, "text/event-stream; charset=utf-8")
    assert len(following.heard(line * 2)) == 2
    assert following.opened(200, "text/event-stream")
    assert len(following.heard(line * 3)) == 1
    assert dict(following.request().headers)["Last-Event-ID"] == "e1.l1"


@pytest.mark.parametrize("wire", [b"data: {\n\n", b"data: []\n\n", b"x" * (5 * 2**20)])
def test_what_is_no_feed_of_ours_is_said_to_be_so(wire):
    with pytest.raises(sdk.UnexpectedAnswer):
        Parser().feed(wire)

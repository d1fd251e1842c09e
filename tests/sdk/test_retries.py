"""What is tried again, when, and what never is: lost answers, refusals that ask for patience."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage import sdk
from moorage.sdk import Retries
from moorage.sdk.answers import Answer, retry_after_s
from moorage.sdk.conversation import Failure, Pause, conversation
from moorage.sdk.requests import Request
from sdk.wire import CUT, LOSE, Refuse, Wire

QUICK = Retries(first_pause_s=0.01, longest_pause_s=0.02)
BUSY = Refuse(
    503, {"Content-Type": "application/problem+json", "Retry-After": "0"}, b'{"code": "x"}'
)


@pytest.fixture
def wire(fleet):
    with Wire(fleet.url) as between:
        fleet.url, fleet.retries = between.url, QUICK
        yield between


def named(server, key, name):
    answer = httpx.get(
        f"{server.base_url}/v1/devices?limit=500", headers={"Authorization": f"Bearer {key}"}
    )
    return [one for one in answer.json()["data"] if one["name"] == name]


def test_a_lost_answer_to_a_creation_makes_one_device_all_the_same(fleet, wire, server):
    name = f"lost {fleet.kind}"
    wire.plan.extend([LOSE, CUT])
    made = fleet.call(lambda client: client.devices.create(name))
    assert made.replayed
    assert made.install_token is None
    assert [one["id"] for one in named(server, fleet.key, name)] == [made.id]
    assert len(wire.seen) == 3
    assert len({headers["idempotency-key"] for _, _, headers in wire.seen}) == 1
    # What was lost with the answer can be had anew.
    token = fleet.call(lambda client: client.devices.install(made.id))
    assert token.install_token.startswith("inst_")


def test_two_creations_are_two(fleet, wire):
    first = fleet.call(lambda client: client.devices.create("twin"))
    second = fleet.call(lambda client: client.devices.create("twin"))
    assert first.id != second.id


def test_a_change_whose_answer_was_lost_is_not_sent_again(fleet, wire):
    made = fleet.call(lambda client: client.devices.create("change"))
    wire.plan.append(LOSE)
    before = len(wire.seen)
    with pytest.raises(sdk.ConnectionFailed, match="may have done it"):
        fleet.call(lambda client: client.devices.update(made.id, name="changed"))
    assert len(wire.seen) == before + 1


def test_a_refusal_that_changed_nothing_is_tried_again_even_for_a_change(fleet, wire):
    made = fleet.call(lambda client: client.devices.create("busy"))
    wire.plan.extend([BUSY, BUSY])
    assert fleet.call(lambda client: client.devices.update(made.id, name="b")).name == "b"


def test_a_proxys_503_is_not_taken_for_a_no(fleet, wire):
    made = fleet.call(lambda client: client.devices.create("proxy"))
    wire.plan.append(Refuse(503, {"Content-Type": "text/html"}, b"<h1>Bad gateway</h1>"))
    with pytest.raises(sdk.Unavailable, match="proxy"):
        fleet.call(lambda client: client.devices.update(made.id, name="changed"))


def test_after_all_tries_the_refusal_is_raised(fleet, wire):
    wire.plan.extend([BUSY] * 50)
    with pytest.raises(sdk.Unavailable):
        fleet.rows(lambda client: client.devices.iterate())
    assert len(wire.seen) == QUICK.most + 1


def test_retry_after_is_waited_for(fleet, wire):
    wire.plan.append(replace(BUSY, status=429, headers={**BUSY.headers, "Retry-After": "1"}))
    fleet.rows(lambda client: client.devices.iterate())
    # A lower bound only: how long it takes beyond is the machine's affair.
    assert wire.at[1] - wire.at[0] >= 1


def test_more_patience_than_is_sensible_is_refused_at_once_and_said(fleet, wire):
    wire.plan.append(replace(BUSY, status=429, headers={**BUSY.headers, "Retry-After": "86400"}))
    with pytest.raises(sdk.RateLimited) as refused:
        fleet.rows(lambda client: client.devices.iterate())
    assert refused.value.retry_after_s == 86400
    assert len(wire.seen) == 1


def test_where_nobody_answers_it_is_said_after_all_tries(fleet):
    fleet.url, fleet.retries = "http://127.0.0.1:1", QUICK
    with pytest.raises(sdk.ConnectionFailed, match=f"tried {QUICK.most + 1} times"):
        fleet.call(lambda client: client.devices.create("nobody"))


@given(
    tried=st.integers(1, 4),
    draw=st.floats(0, 1, exclude_max=True),
    wait=st.none() | st.floats(0, 60),
)
def test_pauses_keep_their_bounds(tried, draw, wait):
    retries = Retries()
    pause = retries.pause(tried, draw, wait)
    bound = min(20.0, 0.5 * 2 ** (tried - 1))
    least = wait or 0.0
    assert least <= pause <= least + bound
    assert retries.pause(tried, 0.0, wait) == least


def test_pauses_are_spread_over_all_of_their_bound():
    pauses = [Retries().pause(3, draw / 10) for draw in range(10)]
    assert pauses == [pytest.approx(2.0 * draw / 10) for draw in range(10)]


def course(request, outcomes):
    """The pauses a conversation asks for, and how it ends."""
    talk = conversation(request, Retries(), draw=lambda: 0.5)
    pauses, step, left = [], next(talk), list(outcomes)
    while True:
        outcome = None
        if isinstance(step, Pause):
            pauses.append(step.seconds)
        else:
            outcome = left.pop(0)
        try:
            step = talk.send(outcome)
        except StopIteration as done:
            return pauses, done.value
        except sdk.MoorageError as error:
            return pauses, error


def test_a_conversation_waits_longer_each_time_and_as_long_as_it_is_told():
    ok = Answer(200, {}, b"1")
    slow = Answer(429, {"retry-after": "7"}, b"")
    gone = Failure("cut", sent=True)
    read = Request("GET", "/v1/x", lambda value: value)
    assert course(read, [gone, gone, gone, ok]) == ([0.25, 0.5, 1.0], 1)
    pauses, result = course(read, [slow, ok])
    assert result == 1
    assert 7 < pauses[0] <= 7.5
    write = replace(read, method="PATCH", repeatable=False)
    assert course(write, [slow, ok])[1] == 1
    assert isinstance(course(write, [gone])[1], sdk.ConnectionFailed)
    assert course(write, [Failure("refused", sent=False), ok])[1] == 1


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        ("Sat, 21 Nov 2026 10:00:30 GMT", 30.0),
        ("Sat, 21 Nov 2026 09:00:00 GMT", 0.0),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("1.5", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(text, seconds):
    now = datetime(2026, 11, 21, 10, tzinfo=UTC)
    assert retry_after_s(Answer(503, {"retry-after": text}, b""), now) == seconds


def test_no_error_or_repr_holds_the_key_or_what_is_shown_once(fleet, wire):
    made = fleet.call(lambda client: client.devices.create("secretive"))
    assert made.install_token not in repr(made)
    fresh = fleet.call(lambda client: client.keys.create("secretive"))
    assert fresh.key not in repr(fresh)
    wire.plan.extend([Refuse(500, {}, b"oops")] * 2)
    for ask in (lambda client: client.devices.get(made.id), lambda client: client.keys.get("k")):
        with pytest.raises(sdk.MoorageError) as raised:
            fleet.call(ask)
        assert fleet.key not in str(raised.value) + repr(raised.value)
    assert fleet.key not in repr(sdk.Moorage(fleet.url, fleet.key))
    assert fleet.key not in repr(vars(sdk.Moorage(fleet.url, fleet.key)))
    assert json.dumps(sdk.encode(fresh)).count(fresh.key) == 1

"""What the agent decides, without a clock, a file or a socket."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage_agent import step
from moorage_agent.step import BACKFILL, LIVE

NOTHING_WAITS = {LIVE: False, BACKFILL: False}


def tick(now, *, waiting=(), backlog=False):
    return step.Tick(now, {**NOTHING_WAITS, **dict.fromkeys(waiting, True)}, backlog=backlog)


def kinds(effects):
    return [type(effect).__name__ for effect in effects]


def test_a_due_agent_measures_and_makes_a_report():
    state, effects = step.step(step.State(interval_s=30), tick(0))
    assert effects == [step.Measure(), step.Compose(LIVE)]
    assert state.next_report_at == 30


def test_nothing_happens_before_the_interval_is_over():
    state, _ = step.step(step.State(interval_s=30), tick(0))
    state, _ = step.step(state, step.Acknowledged(LIVE, 1, 30))
    assert step.step(state, tick(29))[1] == []


def test_samples_are_taken_on_time_while_a_report_hangs():
    state, _ = step.step(step.State(interval_s=30), tick(0))
    _, effects = step.step(state, tick(30, waiting=[LIVE]))
    assert effects == [step.Measure()]


def test_what_was_due_while_an_earlier_report_was_on_its_way_follows_it_at_once():
    state, effects = step.step(step.State(interval_s=30), tick(0, waiting=[LIVE]))
    assert step.Compose(LIVE) not in effects  # left by an earlier run, it goes first
    state, _ = step.step(state, step.Acknowledged(LIVE, 1, 30))
    state, effects = step.step(state, tick(1))
    assert effects == [step.Compose(LIVE)]
    state, _ = step.step(state, step.Acknowledged(LIVE, 2, 30))
    assert step.step(state, tick(2))[1] == []


def test_only_one_report_of_a_lane_is_under_way():
    state, effects = step.step(step.State(interval_s=30), tick(0, waiting=[LIVE]))
    assert step.Send(LIVE) in effects
    assert step.Send(LIVE) not in step.step(state, tick(1, waiting=[LIVE]))[1]


def test_a_failed_report_is_sent_again_after_a_pause_that_grows_and_is_bounded():
    state, now, pauses = step.State(interval_s=1e6), 1.0, []
    state, _ = step.step(state, tick(now))
    for _ in range(12):
        state, _ = step.step(state, step.Failed(LIVE, now, "down", luck=0.999))
        pauses.append(state.lanes[LIVE].not_before - now)
        now = state.lanes[LIVE].not_before
        state, effects = step.step(state, tick(now, waiting=[LIVE]))
        assert step.Send(LIVE) in effects
    assert pauses == pytest.approx(sorted(pauses))
    assert pauses[0] <= 1
    assert pauses[-1] <= step.LONGEST_PAUSE_S


def test_the_servers_wish_to_wait_is_honoured():
    state, _ = step.step(step.State(interval_s=30), tick(0))
    state, _ = step.step(state, step.Failed(LIVE, 0, "busy", luck=0.5, retry_after_s=12))
    assert state.lanes[LIVE].not_before >= 12


def test_a_refused_key_is_tried_again_hourly_at_most_for_ever():
    state, now = step.State(interval_s=1e9), 0.0
    state, _ = step.step(state, tick(now))
    for _ in range(50):
        state, effects = step.step(state, step.KeyRefused(LIVE, now, luck=0.999))
        assert "Stop" not in kinds(effects)
        pause = state.lanes[LIVE].not_before - now
        assert 0 < pause <= step.LONGEST_REFUSED_PAUSE_S
        now = state.lanes[LIVE].not_before
        state, _ = step.step(state, tick(now, waiting=[LIVE]))
    assert pause > step.LONGEST_REFUSED_PAUSE_S / 2


def test_only_a_retired_device_stops():
    state, effects = step.step(step.State(interval_s=30), step.Retired(LIVE))
    assert "Stop" in kinds(effects)
    assert step.step(state, tick(1e9, waiting=[LIVE], backlog=True))[1] == []


def test_the_present_follows_at_once_when_the_network_is_back():
    state, _ = step.step(step.State(interval_s=3600), tick(0))
    state, _ = step.step(state, step.Failed(LIVE, 0, "down", luck=0))
    state, _ = step.step(state, tick(1, waiting=[LIVE]))
    state, _ = step.step(state, step.Acknowledged(LIVE, 2, 3600))
    assert step.step(state, tick(3))[1] == [step.Measure(), step.Compose(LIVE)]


def test_backlog_goes_by_its_own_lane_beside_the_present():
    _, effects = step.step(step.State(interval_s=30), tick(0, backlog=True))
    assert effects == [step.Measure(), step.Compose(LIVE), step.Compose(BACKFILL)]


def test_a_shorter_interval_counts_from_now():
    state, _ = step.step(step.State(interval_s=3600), tick(0))
    state, _ = step.step(state, step.Acknowledged(LIVE, 10, 5))
    assert state.next_report_at == 15


messages = st.one_of(
    st.builds(
        step.Tick,
        now=st.just(0.0),
        waiting=st.fixed_dictionaries({LIVE: st.booleans(), BACKFILL: st.booleans()}),
        urgent=st.booleans(),
        backlog=st.booleans(),
    ),
    st.builds(step.Acknowledged, st.sampled_from([LIVE, BACKFILL]), st.just(0.0), st.none()),
    st.builds(
        step.Failed,
        st.sampled_from([LIVE, BACKFILL]),
        st.just(0.0),
        st.just("x"),
        st.floats(0, 0.99),
    ),
    st.builds(step.KeyRefused, st.sampled_from([LIVE, BACKFILL]), st.just(0.0), st.floats(0, 0.99)),
)


@given(st.lists(st.tuples(st.floats(0, 1000), messages), max_size=60))
def test_no_order_of_messages_puts_two_reports_of_a_lane_under_way(history):
    """Answers are only given for what is under way, as in the loop; time goes forward."""
    state, now, under_way = step.State(interval_s=30), 0.0, set()
    for passed, message in history:
        now += passed
        lane = getattr(message, "lane", None)
        if lane is not None and lane not in under_way:
            continue
        under_way.discard(lane)
        state, effects = step.step(state, step.replace(message, now=now))
        for effect in effects:
            if isinstance(effect, step.Send | step.Compose):
                assert effect.lane not in under_way
                under_way.add(effect.lane)

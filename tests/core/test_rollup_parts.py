"""Which part of a window is read from what: each moment from one place, rows where they fit."""

from hypothesis import given
from hypothesis import strategies as st

from moorage.core.rollups.model import FINE_MS, HOUR_MS
from moorage.core.rollups.rules import plan

DAY_MS = 24 * HOUR_MS
times = st.integers(0, 20 * DAY_MS)
hours = st.integers(0, 20 * 24).map(lambda number: number * HOUR_MS)
widths = st.sampled_from([1000, 60_000, FINE_MS, 6 * FINE_MS, HOUR_MS, 4 * HOUR_MS, DAY_MS])


@given(start=times, end=times, width=widths, rolled=hours, marked=st.sets(hours, max_size=5))
def test_parts_cover_a_window_once_and_rows_are_whole_complete_and_in_one_bucket(
    start, end, width, rolled, marked
):
    parts = plan(start, end, width, rolled_until=rolled, marked=marked)
    edges = [edge for part in parts for edge in (part.start, part.end)]
    if start < end:
        assert (edges[0], edges[-1]) == (start, end)
    else:
        assert parts == []
    assert edges[1:-1:2] == edges[2::2], "neither gaps nor overlaps"
    for part in parts:
        assert part.start < part.end
        if part.unit_ms:
            assert width % part.unit_ms == 0
            assert part.start % part.unit_ms == part.end % part.unit_ms == 0
            assert part.end <= rolled
            assert not any(part.start < hour + HOUR_MS and hour < part.end for hour in marked)


@given(start=times, days=st.integers(1, 19), width=st.sampled_from([4, 8]))
def test_of_days_at_most_ten_minutes_and_the_marked_hours_are_read_from_samples(start, days, width):
    end = start + days * DAY_MS
    parts = plan(start, end, width * HOUR_MS, rolled_until=end, marked=())
    samples_ms = sum(part.end - part.start for part in parts if part.unit_ms == 0)
    assert samples_ms < 2 * FINE_MS
    fine = sum(part.end - part.start for part in parts if part.unit_ms == FINE_MS)
    assert fine < 2 * HOUR_MS
    assert len(parts) <= 5
    marked = (start // HOUR_MS + 3) * HOUR_MS
    more = plan(start, end, width * HOUR_MS, rolled_until=end, marked={marked})
    assert sum(part.end - part.start for part in more if part.unit_ms == 0) == samples_ms + HOUR_MS

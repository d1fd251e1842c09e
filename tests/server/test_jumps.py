"""A server's clock that is put ahead deletes nothing before somebody could put it right."""

from datetime import timedelta

import pytest

from moorage.server.jobs import Jobs
from moorage.server.jumps import Jumps
from support.clock import FixedClock
from support.engines import on_sqlite

HOURS = 3600.0


class Machine:
    """A clock on the wall, and the time that really passes."""

    def __init__(self) -> None:
        self.wall = FixedClock()
        self.steady = 0.0
        self.jumps = Jumps(lambda: self.steady)

    def pass_by(self, seconds: float, *, jump_s: float = 0.0) -> bool:
        self.steady += seconds
        return self.jumps.hold_back(self.wall.advance(seconds=seconds + jump_s))


def test_time_that_passes_is_no_jump():
    machine = Machine()
    assert not any(machine.pass_by(seconds) for seconds in (0, 60, 60, 7 * 24 * HOURS, 60))


@pytest.mark.parametrize("corrected_s", [-600.0, 599.0])
def test_a_clock_that_is_put_right_by_minutes_holds_nothing_back(corrected_s):
    machine = Machine()
    machine.pass_by(0)
    assert not machine.pass_by(60, jump_s=corrected_s)


def test_what_is_put_ahead_is_believed_after_a_day():
    machine = Machine()
    machine.pass_by(0)
    assert machine.pass_by(60, jump_s=2 * HOURS)
    assert machine.pass_by(23 * HOURS)
    assert not machine.pass_by(HOURS)


def test_what_is_put_ahead_and_back_is_believed_at_once():
    machine = Machine()
    machine.pass_by(0)
    assert machine.pass_by(60, jump_s=365 * 24 * HOURS)
    assert not machine.pass_by(60, jump_s=-365 * 24 * HOURS)


def test_what_is_put_back_was_ahead_before():
    machine = Machine()
    machine.pass_by(0)
    assert not machine.pass_by(60, jump_s=-2 * HOURS)


@on_sqlite
async def test_a_clock_two_hours_ahead_clears_nothing_out(db, clock):
    done = []

    class Counting(Jobs):
        async def purge(self) -> None:
            done.append(clock.now())

    steady = clock.now().timestamp()
    jobs = Counting(db, None, jumps=Jumps(lambda: steady))
    await jobs._purge_if_due()
    clock.advance(hours=2)
    await jobs._purge_if_due()
    assert len(done) == 1
    clock.advance(hours=-2)
    steady += 2 * HOURS
    clock.advance(hours=2)
    await jobs._purge_if_due()
    assert [at - done[0] for at in done] == [timedelta(), timedelta(hours=2)]

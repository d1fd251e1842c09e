"""When to try again, for how long a turn is taken, and what an environment is called."""

import random
from datetime import timedelta

NAME_PREFIX = "moorage-"
# Whoever asks for an environment usually brings it up at once; a job does if that one died.
HEAD_START = timedelta(seconds=5)
# Longer than any turn: a call, a look-up after it and the two transactions around them.
LEASE = timedelta(minutes=2)
# A device that was not made five minutes after its environment will not be.
RESERVED_FOR = timedelta(minutes=5)
# A call may be under way when its device is deleted; what it makes is to be found.
SETTLED_AFTER = LEASE
# With a job's own look-out every two seconds, the first one is made within fifteen.
FIRST_RETRY = timedelta(seconds=12)
LONGEST_PAUSE = timedelta(minutes=10)
_LEAST_SHARE = 0.5


def name_of(device_id: str) -> str:
    """Name the environment of a device: nothing in it is text a device chose."""
    return f"{NAME_PREFIX}{device_id}"


def pause(tries: int, spread: float) -> timedelta:
    """Return how long to wait after so many calls that failed, one at least.

    It doubles from twelve seconds to ten minutes. ``spread``, from 0 to 1, takes up to half of it
    away, so that what failed together is not tried together.
    """
    # Past 2^6 the bound holds anyway.
    doubled: int = 2 ** min(tries - 1, 6)
    whole = min(FIRST_RETRY * doubled, LONGEST_PAUSE)
    return whole * (1 - (1 - _LEAST_SHARE) * spread)


def some_pause(tries: int) -> timedelta:
    """Return a pause with a random spread."""
    return pause(tries, random.random())  # noqa: S311 - nothing secret is drawn

"""When a service's image is looked for anew, and what becomes of one that is on trial. Pure.

A digest is what a tag names at a moment. One that did not prove itself is not tried again until the
tag names another.
"""

from __future__ import annotations

from typing import FrozenSet, NamedTuple, Optional

from moorage_agent.applying_state import STOPPED, Seen
from moorage_agent.reconciling import HEALTHY_WITHIN_S
from moorage_agent.units import Unit
from moorage_agent.verdicts import proof_of

# What is to be done about a tag that was looked up.
NOTHING = "nothing"
UPDATE = "update"
# What becomes of an image on trial.
WAIT = "wait"
START = "start"
KEEP = "keep"
BACK = "back"
# Somebody else decides: the service left the config, or is another one by now.
LEAVE = "leave"


class Verdict(NamedTuple):
    """What becomes of a trial; ``reason`` is why it goes back."""

    what: str
    reason: str = ""


def first_look_at(now: float, every_s: float, luck: float) -> float:
    """Return when to look for the first time: a fleet that starts at once comes spread."""
    return now + every_s * luck


def next_look_at(now: float, every_s: float, luck: float) -> float:
    """Return when to look again: a quarter earlier to a quarter later than told."""
    return now + every_s * (0.75 + luck / 2.0)


def is_followed(unit: Unit) -> bool:
    """Whether a unit's image is to be looked for anew; one by its digest never changes."""
    return unit.updates_every_s is not None and "@" not in unit.body.get("image", "@")


def about(named: str, has: FrozenSet[str], refused: FrozenSet[str]) -> str:
    """Return what to do when a tag names a digest.

    ``has``: the digests of the image that runs, ``refused``: of the last that went back.
    """
    return NOTHING if named in has or named in refused else UPDATE


def on_trial(  # noqa: PLR0913 - all that it is decided from
    wanted: Optional[Unit],
    tried: str,
    seen: Optional[Seen],
    *,
    began_at: float,
    began: bool,
    runs_since: Optional[float],
    now: float,
) -> Verdict:
    """Judge a container whose image is on trial.

    ``tried`` is the digest of the unit it is of, ``began`` whether this process started it.
    """
    if wanted is None or wanted.digest != tried:
        return Verdict(LEAVE)
    if seen is None:
        return Verdict(BACK, "its container is gone")
    ran_s = None if runs_since is None else now - runs_since
    if seen.state == STOPPED and not began:
        return Verdict(START)  # whoever made it did not live to start it
    wrong, is_proved = proof_of(wanted, seen, ran_s)
    late = now - began_at >= max(HEALTHY_WITHIN_S, 2 * wanted.stable_s)
    if wrong is None and late and not is_proved:
        wrong = "it was not healthy in time: %s" % seen.state
    if wrong is not None:
        return Verdict(BACK, wrong)
    return Verdict(KEEP if is_proved else WAIT)

"""Records do what those of ``dataclasses`` do, and the agent carries no more."""

import dataclasses
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from moorage_agent import applying_state, messages, records, step

SOURCE = Path(__file__).parents[2] / "src"
BODY = """
from __future__ import annotations
from typing import Dict, Tuple
@{made}.dataclass(frozen=True)
class Thing:
    name: str
    count: int = 1
    parts: Dict[str, int] = {made}.field(default_factory=dict)
    pairs: Tuple[str, ...] = ()
    @property
    def double(self) -> int:
        return 2 * self.count
"""


def made_by(module):
    names = {"made": module}
    exec(BODY.format(made="made"), names)
    return names["Thing"]


LIGHT, FULL = made_by(records), made_by(dataclasses)
CALLS = [
    (("a",), {}),
    (("a", 2), {}),
    (("a",), {"count": 3, "pairs": ("x",)}),
    ((), {"name": "a", "parts": {"b": 1}}),
    ((), {}),
    (("a",), {"name": "b"}),
    (("a",), {"other": 1}),
    (("a", 1, {}, (), 5), {}),
]


def outcome(cls, args, given):
    try:
        one = cls(*args, **given)
    except TypeError:
        return TypeError
    return repr(one), one.double, one == cls(*args, **given), one != cls("z")


@pytest.mark.parametrize(("args", "given"), CALLS)
def test_they_are_made_compared_and_shown_alike(args, given):
    assert outcome(LIGHT, args, given) == outcome(FULL, args, given)


def test_they_are_frozen_and_replaced_alike():
    for cls, module in ((LIGHT, records), (FULL, dataclasses)):
        one = cls("a", pairs=("x",))
        other = module.replace(one, count=7)
        assert (one.count, other.count, other.pairs) == (1, 7, ("x",))
        assert one.parts is not cls("a").parts
        with pytest.raises(TypeError):
            module.replace(one, nothing=1)
        with pytest.raises(AttributeError):
            one.count = 2
        with pytest.raises(AttributeError):
            del one.count


def test_records_of_two_kinds_are_never_equal():
    assert messages.Measure() == messages.Measure()
    assert messages.Measure() != messages.Stop()
    assert len({messages.Send("live"), messages.Send("live"), messages.Compose("live")}) == 2


def test_a_state_can_be_carried_elsewhere():
    state = step.State(interval_s=30)
    assert pickle.loads(pickle.dumps(state)) == state


def test_every_field_of_the_states_is_one():
    assert step.State(interval_s=1).config == applying_state.State()


def test_the_agent_imports_none_of_what_weighs_most():
    heavy = "dataclasses", "inspect", "urllib.request", "asyncio", "multiprocessing", "tempfile"
    code = (
        f"import sys; sys.path.insert(0, {str(SOURCE)!r}); import moorage_agent.cli; "
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"

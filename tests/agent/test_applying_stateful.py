"""No order of messages, crashes and restarts leaves a config half applied, or tries one twice.

The real decisions over a made-up device: a disk, containers that outlive a crash, processes that do
not, and effects that come about in any order, late, or only half before the power goes.
"""

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from moorage_agent import applying, units
from moorage_agent.applying_state import (
    ON_UNITS,
    RUNNING,
    Asked,
    Done,
    Memory,
    Observed,
    Offered,
    Passed,
    Prepare,
    Remember,
    Remove,
    Restart,
    Seen,
    Start,
    StartStream,
    StopStream,
    name_of,
)
from moorage_agent.messages import Config
from moorage_agent.units import DOCKER, PROCESS

NAMES = ("a", "b", "c")
# What becomes of a service: the word stands where its image or its command does.
GOOD, SLOW, UNPREPARED, UNSTARTED, CRASHES, SICK = KINDS = (
    "good",
    "slow",
    "unprepared",
    "unstarted",
    "crashes",
    "sick",
)
FINE = (GOOD, SLOW)
STABLE_S = 10


def entry(kind, version, driver):
    text = f"{kind}-{version}"
    return {"image": text} if driver == DOCKER else {"command": [text]}


def kind_of(unit):
    text = unit.body.get("image") or unit.body["command"][0]
    return text.partition("-")[0]


services = st.dictionaries(
    st.sampled_from(NAMES),
    st.builds(
        entry,
        st.sampled_from((GOOD, GOOD, GOOD, *KINDS)),
        st.integers(0, 1),
        st.sampled_from((DOCKER, PROCESS)),
    ),
)


class Killed(Exception):
    """The power went."""


class Applying(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.disk = Memory()
        # name → (unit, which run of it); what is stopped is there no more.
        self.there: dict = {}
        self.runs = 0
        self.under_way: list = []
        self.offered: dict = {}
        self.refused: set = set()
        self.effects_left: int | None = None
        self.asked: list = []
        self.answers: list = []
        self.streams: dict = {}
        self.state = applying.begin(self.disk)

    # --- the device

    def tell(self, message) -> None:
        self.state, effects = applying.decide(self.state, message)
        try:
            for effect in effects:
                self.carry_out(effect)
        except Killed:
            self.crash()

    def carry_out(self, effect) -> None:
        if self.effects_left is not None:
            self.effects_left -= 1
            if self.effects_left < 0:
                raise Killed
        if isinstance(effect, Remember):
            self.remember(effect.memory)
        elif isinstance(effect, ON_UNITS):
            assert name_of(effect) not in [name_of(other) for other in self.under_way]
            self.is_allowed(effect)
            self.under_way.append(effect)
        elif isinstance(effect, StartStream):
            self.streams[effect.stream_id] = effect.spec
        elif isinstance(effect, StopStream):
            del self.streams[effect.stream_id]
        elif type(effect).__name__ == "Answer":
            self.answers.append(effect.command_id)

    def remember(self, memory) -> None:
        trying, before = memory.trying, self.disk
        if trying is not None and trying.failure is None:
            assert trying.target.revision not in self.refused
        if memory.problem is not None:
            self.refused.add(memory.problem.revision)
        if memory.good is not None and memory.good != before.good:
            wanted = units.units_of(memory.good.document)
            had = {} if before.good is None else units.units_of(before.good.document)
            for name, unit in wanted.items():
                if name in had and had[name].digest == unit.digest:
                    continue
                assert kind_of(unit) in FINE, "it was taken for good and is not"
                assert self.there[name][0].digest == unit.digest
            if wanted.keys() != had.keys():
                assert set(self.there) <= set(wanted), "what had to go is still there"
        self.disk = memory

    def is_allowed(self, effect) -> None:
        """Only what the disk has in force may be changed, and only once all of it is prepared."""
        in_force = self.disk.in_force()
        wanted = {} if in_force is None else units.units_of(in_force.document)
        if isinstance(effect, Start | Prepare):
            assert wanted[effect.unit.name].digest == effect.unit.digest
        if isinstance(effect, Remove) and effect.name in wanted:
            assert self.there[effect.name][0].digest != wanted[effect.name].digest
        proposing = self.disk.trying is not None and self.disk.trying.failure is None
        if proposing and isinstance(effect, Start | Remove):
            assert all(
                kind_of(unit) != UNPREPARED
                for name, unit in wanted.items()
                if name in self.state.changed
            )

    def crash(self) -> None:
        """Everything in memory is gone; what was under way came about or did not."""
        self.effects_left = None
        self.under_way = []
        self.streams = {}
        self.there = {n: t for n, t in self.there.items() if t[0].driver == DOCKER}
        self.state = applying.begin(self.disk)

    def does(self, effect) -> str | None:
        """Let an effect come about; return what went wrong with it."""
        name = name_of(effect)
        if isinstance(effect, Prepare):
            return "no such image" if kind_of(effect.unit) == UNPREPARED else None
        if isinstance(effect, Start):
            if kind_of(effect.unit) == UNSTARTED:
                return "port is taken"
            there = self.there.get(name)
            assert there is None or there[0].digest == effect.unit.digest
            self.runs += there is None
            self.there[name] = there or (effect.unit, self.runs)
        elif isinstance(effect, Remove):
            self.there.pop(name, None)
        elif isinstance(effect, Restart):
            if name not in self.there:
                return "it is not there"
            self.runs += 1
            self.there[name] = (self.there[name][0], self.runs)
        return None

    def seen(self, driver):
        found = {}
        for name, (unit, run) in self.there.items():
            if unit.driver != driver:
                continue
            kind = kind_of(unit)
            found[name] = Seen(
                driver,
                unit.digest,
                RUNNING,
                str(run),
                health="unhealthy" if kind == SICK else "none",
                restarts=3 if kind == CRASHES else 0,
            )
        return found

    # --- what happens

    @rule(wanted=services, streams=st.sets(st.sampled_from("xy")))
    def the_owner_changes_it(self, wanted, streams) -> None:
        revision = len(self.offered) + 1
        document = {
            "config": {"stable_s": STABLE_S},
            "services": wanted,
            "streams": {stream_id: {"source": stream_id} for stream_id in streams},
        }
        self.offered[revision] = document
        self.tell(Offered(self.now, Config(revision, f"digest-{revision}", document, None)))

    @precondition(lambda self: self.offered)
    @rule()
    def the_server_offers_it_again(self) -> None:
        """As when the agent is another version, or could not write down what it knew."""
        revision = max(self.offered)
        document = self.offered[revision]
        config = Config(revision, f"digest-{revision}", document, None)
        if document is None:
            config = Config(revision, None, None, "nonsense")
        good = self.disk.good
        if good is None or good.revision != revision:
            self.tell(Offered(self.now, config))

    @rule()
    def the_owner_writes_nonsense(self) -> None:
        revision = len(self.offered) + 1
        self.offered[revision] = None
        self.tell(Offered(self.now, Config(revision, None, None, "nonsense")))

    @rule(seconds=st.sampled_from([0.5, 3.0, 11.0, 400.0]))
    def time_passes(self, seconds) -> None:
        self.now += seconds
        self.tell(Passed(self.now))

    @precondition(lambda self: self.under_way)
    @rule(data=st.data())
    def an_effect_comes_about(self, data) -> None:
        effect = self.under_way.pop(data.draw(st.integers(0, len(self.under_way) - 1)))
        self.now += 0.1
        self.tell(Done(self.now, effect, self.does(effect)))

    @precondition(lambda self: self.under_way)
    @rule(again=st.just(True))
    def an_effect_fails_for_now(self, again) -> None:
        self.now += 0.1
        effect = self.under_way.pop()
        self.tell(Done(self.now, effect, "the network is away", again=again))

    @rule(driver=st.sampled_from((DOCKER, PROCESS)), late=st.booleans())
    def a_driver_is_looked_at(self, driver, late) -> None:
        asked_at, seen = self.now, self.seen(driver)
        self.now += 0.1
        if late and self.under_way:
            # What was seen is old by the time it is told.
            effect = self.under_way.pop()
            self.tell(Done(self.now, effect, self.does(effect)))
            self.now += 0.1
        self.tell(Observed(self.now, asked_at, driver, seen))

    @rule(driver=st.sampled_from((DOCKER, PROCESS)))
    def a_driver_cannot_say(self, driver) -> None:
        self.tell(Observed(self.now, self.now, driver, None))

    @rule(name=st.sampled_from(NAMES))
    def a_command_asks_for_a_restart(self, name) -> None:
        self.asked.append(f"cmd-{len(self.asked)}")
        self.tell(Asked(self.now, name, self.asked[-1]))

    @rule(name=st.sampled_from(NAMES))
    def somebody_removes_a_container(self, name) -> None:
        busy = [name_of(effect) for effect in self.under_way]
        if self.disk.trying is None and name not in busy:
            self.there.pop(name, None)

    @rule(data=st.data())
    def the_power_goes(self, data) -> None:
        """What was under way came about, or did not, or in part."""
        done = data.draw(st.integers(0, len(self.under_way)))
        for effect in self.under_way[:done]:
            self.does(effect)
        self.crash()

    @rule(effects=st.integers(0, 4))
    def the_power_will_go(self, effects) -> None:
        self.effects_left = effects

    @rule()
    def all_goes_well_for_a_while(self) -> None:
        for _ in range(6):
            for driver in (DOCKER, PROCESS):
                self.a_driver_is_looked_at(driver, late=False)
            while self.under_way:
                effect = self.under_way.pop(0)
                self.tell(Done(self.now, effect, self.does(effect)))
            self.time_passes(6.0)

    # --- what must hold

    @invariant()
    def a_command_is_answered_once(self) -> None:
        assert len(self.answers) == len(set(self.answers))

    @invariant()
    def streams_are_those_of_one_document(self) -> None:
        wanted = [set(document["streams"]) for document in self.offered.values() if document]
        assert not self.streams or set(self.streams) in wanted

    def teardown(self) -> None:
        self.effects_left = None
        for _ in range(200):
            self.all_goes_well_for_a_while()
            if self.disk.trying is None and not self.under_way and self.is_whole():
                break
        assert self.disk.trying is None
        assert self.is_whole()
        if self.offered:
            self.ended_as_it_had_to(max(self.offered))

    def is_whole(self) -> bool:
        good = self.disk.good
        if good is None:
            return not self.there
        wanted = {n: u.digest for n, u in units.units_of(good.document).items()}
        streams = set(good.document["streams"])
        runs = {name: unit.digest for name, (unit, _run) in self.there.items()}
        return runs == wanted and set(self.streams) == streams

    def ended_as_it_had_to(self, last) -> None:
        document, good, problem = self.offered[last], self.disk.good, self.disk.problem
        kinds = [] if document is None else map(kind_of, units.units_of(document).values())
        told = {target.revision for target in (good, problem) if target is not None}
        if last not in told:
            # The power went before it was written down; the server offers it again.
            return
        if document is not None and all(kind in FINE for kind in kinds):
            assert good is not None
            # A network that is away for long enough may stop anything.
            assert last in (good.revision, problem and problem.revision)
        else:
            assert problem is not None
            assert problem.revision == last


@pytest.mark.parametrize("at", range(14))
def test_the_power_may_go_at_any_effect_of_a_change_that_fails(at):
    machine = Applying()
    machine.the_owner_changes_it({"a": entry(GOOD, 0, DOCKER)}, {"x"})
    machine.all_goes_well_for_a_while()
    good = machine.disk.good
    machine.the_power_will_go(at)
    bad = {"a": entry(GOOD, 1, DOCKER), "b": entry(CRASHES, 0, DOCKER)}
    machine.the_owner_changes_it(bad, {"y"})
    machine.all_goes_well_for_a_while()
    if machine.disk.problem is None:
        machine.the_server_offers_it_again()
    machine.teardown()
    assert machine.disk.good == good
    assert machine.disk.problem.revision == 2


@pytest.mark.parametrize("at", range(14))
def test_the_power_may_go_at_any_effect_of_a_change_that_succeeds(at):
    machine = Applying()
    machine.the_owner_changes_it({"a": entry(GOOD, 0, PROCESS)}, {"x"})
    machine.all_goes_well_for_a_while()
    machine.the_power_will_go(at)
    machine.the_owner_changes_it({"a": entry(GOOD, 1, DOCKER), "b": entry(SLOW, 0, DOCKER)}, {"y"})
    machine.all_goes_well_for_a_while()
    machine.the_server_offers_it_again()
    machine.teardown()
    assert machine.disk.good.revision == 2
    assert machine.disk.problem is None


TestApplying = Applying.TestCase
TestApplying.settings = settings(
    max_examples=200,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)

"""The power may go at any instant of an update: a later agent ends with one whole service."""

import time

import pytest

from agent.docker_kit import container, document, inspected
from moorage_agent import units
from moorage_agent.container_specs import UPDATING
from moorage_agent.containers import Containers
from moorage_agent.engine import Engine
from moorage_agent.units import Wanted
from support.registry import Registry, layer

FINE = layer({"bin/app": "#!/bin/sh\nexec sleep 600\n"})
SICK = layer({"bin/app": "#!/bin/sh\nexit 3\n"})


class PowerCut(BaseException):
    """Everything ends right here."""


class Failing(Engine):
    """An engine that is asked for so many changes, and then the power goes."""

    def __init__(self, path, changes):
        super().__init__(path)
        self.left = changes

    def call(self, method, path, *arguments, **more):
        if method != "GET":
            if self.left == 0:
                raise PowerCut
            self.left -= 1
        return super().call(method, path, *arguments, **more)


@pytest.fixture
def engine(docker_engine):
    yield docker_engine
    docker_engine.remove_all()
    docker_engine.remove_images("127.0.0.1:")


@pytest.fixture
def registry():
    made = Registry()
    yield made
    made.close()


@pytest.fixture
def make(engine, tmp_path, monkeypatch):
    """Drivers of one agent, whose updates happen when they are told to."""
    made = []
    monkeypatch.setattr("moorage_agent.container_updates._LOOK_EVERY_S", 0.05)
    # One that ends at once is known by its first restart already.
    monkeypatch.setattr("moorage_agent.verdicts.MOST_RESTARTS", 1)

    def one(changes=-1):
        driver = Containers(
            str(tmp_path), "me", "d", lambda *_line: None, Failing(engine.socket, changes)
        )
        made.append(driver)
        return driver

    yield one
    for driver in made:
        driver.close()


def wanted(registry):
    entry = container(image=f"{registry.host}/app", tag="stable", command=["app"])
    found = units.units_of(document(app={**entry, "automatic_updates": True}))
    return Wanted({"app": found["app"]._replace(stable_s=0.5, updates_every_s=0.0)})


def ticks(driver, what):
    """Have it do what it does every few seconds, here and not in its thread."""
    driver._updates._wanted = what
    driver._updates._tick()


def settled(driver, what):
    """Do what an agent does with what it sees, until nothing is to be done."""
    unit = what.units["app"]
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        seen = driver.seen().get("app")
        if seen is None or seen.state == "stopped":
            driver.start(unit, 1)
        elif seen.state == UPDATING:
            ticks(driver, what)
        elif seen.state == "running":
            return
        time.sleep(0.05)
    raise AssertionError("it does not come to rest")


def is_whole(engine):
    [only] = engine.engine.call("GET", "/containers/json", query={"all": 1})
    found = inspected(engine, only["Id"])
    assert found["Name"] == "/moorage-app"
    assert found["State"]["Running"]
    assert found["HostConfig"]["RestartPolicy"]["Name"] == "always"
    return engine.engine.call("GET", f"/images/{found['Image']}/json")["RootFS"]["Layers"][-2:]


# Stopped, renamed, held back; made, started. Then the new one is tagged and the old one removed; or
# the new one is stopped and removed, and the old one let go, renamed and started.
@pytest.mark.parametrize(("new", "first", "last"), [(FINE, 1, 7), (SICK, 6, 10)])
def test_wherever_the_power_goes_one_service_is_left_and_it_is_a_good_one(
    engine, registry, make, new, first, last
):
    registry.push("app", "stable", FINE, layer({"etc/version": "1"}))
    what = wanted(registry)
    unit = what.units["app"]
    make().prepare(unit)
    make().start(unit, 1)
    old = is_whole(engine)
    cuts = first
    while True:
        # Something new each time: what failed once is not tried again.
        registry.push("app", "stable", new, layer({"etc/version": f"2 {cuts}"}))
        try:
            ticks(make(cuts), what)
        except PowerCut:
            cuts += 1
        else:
            break
        later = make()
        settled(later, what)
        assert (is_whole(engine)[0] == old[0]) or new is FINE
        # What it was kept from it does now.
        ticks(later, what)
        settled(later, what)
    is_whole(engine)
    assert cuts == last

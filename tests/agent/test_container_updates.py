"""Services that follow a tag: a new digest is tried and kept, or the one of before is back."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.docker_kit import container, document, inspected, running, services, told
from agent.kit import run
from moorage_agent import container_updates, container_updating, image_keeping, units
from moorage_agent.applying_state import Seen
from support.registry import Registry, layer

SICK = {"bin/app": "#!/bin/sh\nexit 3\n"}
FINE = {"bin/app": "#!/bin/sh\nexec sleep 600\n"}


@pytest.fixture
def engine(docker_engine):
    yield docker_engine
    docker_engine.remove_all()
    docker_engine.remove_images("127.0.0.1:")


@pytest.fixture
def registry():
    made = Registry({"reader": "p-of-the-registry"})
    yield made
    made.close()


@pytest.fixture
def in_more_haste(in_haste, monkeypatch):
    monkeypatch.setattr(container_updates, "TICK_S", 0.1)
    monkeypatch.setattr(container_updates, "_LOOK_EVERY_S", 0.1)
    monkeypatch.setattr(container_updates, "_SWEEP_EVERY_S", 0.1)
    monkeypatch.setattr(units, "_SHORTEST_UPDATES_S", 0.0)


def version(number, **files):
    return layer({"etc/version": str(number), **{k.replace("_", "/"): v for k, v in files.items()}})


def followed(registry, **more):
    """A service that follows the tag, and a config that looks often."""
    login = {"username": "reader", "password": "p-of-the-registry"}
    entry = container(
        image=f"{registry.host}/app",
        tag="stable",
        command=["app"],
        registry=login,
        **{"automatic_updates": True, **more},
    )
    wanted = document(app=entry)
    wanted["config"] = {**wanted["config"], "automatic_updates_every_s": 0.3}
    return wanted


def events(server, name):
    return [row for row in server.rows("events") if row["event"] == f"service.{name}"]


def applied(server):
    return told(server) and told(server)[-1]["revision"] == server.revision


def content(engine, name="moorage-app"):
    """The image that a container is of, by the digest of its last layer."""
    return engine.engine.call("GET", f"/images/{inspected(engine, name)['Image']}/json")["RootFS"][
        "Layers"
    ][-1]


def test_a_moved_tag_is_pulled_and_proven_and_nothing_of_the_config_changes(
    server, folder, engine, registry, in_more_haste
):
    registry.push("app", "stable", layer(FINE), version(1))
    server.set_config(followed(registry))
    server.interval_s = 1
    pushed, before = [], []

    def updated():
        if applied(server) and not pushed:
            before.append(content(engine))
            pushed.append(registry.push("app", "stable", layer(FINE), version(2)))
        return events(server, "updated")

    run(folder, server, updated, within_s=90)
    [event] = events(server, "updated")
    assert (event["entity_type"], event["entity_id"]) == ("service", "app")
    assert event["metadata"]["to"] == [pushed[0].digest]
    assert "p-of-the-registry" not in json.dumps(server.accepted)
    # The one of before goes as soon as this one is kept; the tag names this one.
    names = engine.engine.call("GET", "/containers/json", query={"all": 1})
    assert [one["Names"] for one in names] == [["/moorage-app"]]
    assert content(engine) != before[0]
    tagged = engine.engine.call("GET", f"/images/{registry.host}/app:stable/json")
    assert inspected(engine, "moorage-app")["Image"] == tagged["Id"]
    assert inspected(engine, "moorage-app")["HostConfig"]["RestartPolicy"]["Name"] == "always"
    assert {one["state"] for one in told(server)} == {"applied"}
    # A later process finds nothing to do.
    run(folder, server, lambda: len(server.rows("events")) > 2, within_s=60)
    assert len(events(server, "updated")) == 1


def test_a_digest_that_does_not_prove_itself_goes_back_and_is_not_tried_again(
    server, folder, engine, registry, in_more_haste
):
    registry.push("app", "stable", layer(FINE), version(1))
    server.set_config(followed(registry))
    server.interval_s = 1
    pushed, before = [], []

    def failed():
        if applied(server) and not pushed:
            before.append(inspected(engine, "moorage-app")["Id"])
            pushed.append(registry.push("app", "stable", layer(SICK), version(2)))
        return events(server, "update_failed")

    run(folder, server, failed, within_s=90)
    [event] = events(server, "update_failed")
    assert event["metadata"]["to"] == [pushed[0].digest]
    assert "restarted" in event["description"]
    # The very container of before, to be restarted by the engine as ever.
    assert inspected(engine, "moorage-app")["Id"] == before[0]
    assert inspected(engine, "moorage-app")["State"]["Running"]
    assert inspected(engine, "moorage-app")["HostConfig"]["RestartPolicy"]["Name"] == "always"
    looked = len(registry.paths("/manifests/stable"))
    # Looked up again and again, also by another process: not tried.
    more = lambda: len(registry.paths("/manifests/stable")) > looked + 3  # noqa: E731
    run(folder, server, more, within_s=60)
    assert len(events(server, "update_failed")) == 1
    assert inspected(engine, "moorage-app")["Id"] == before[0]
    # Until the tag moves on.
    registry.push("app", "stable", layer(FINE), version(3))
    run(folder, server, lambda: events(server, "updated"), within_s=90)
    assert {one["state"] for one in told(server)} == {"applied"}


def test_an_agent_that_ends_in_the_middle_is_followed_by_one_that_goes_on(
    server, folder, engine, registry, in_more_haste
):
    health = {"command": ["test", "-e", "/tmp/ready"], "interval_s": 0.2, "retries": 500}
    files = {"bin/app": "#!/bin/sh\necho > /tmp/ready; exec sleep 600\n"}
    waits = {"bin/app": "#!/bin/sh\nexec sleep 600\n"}
    registry.push("app", "stable", layer(files), version(1))
    server.set_config(followed(registry, health=health))
    server.interval_s = 1
    pushed = []

    def on_trial():
        if applied(server) and not pushed:
            pushed.append(registry.push("app", "stable", layer(waits), version(2)))
        return services(server).get("app", {}).get("state") == "updating"

    run(folder, server, on_trial, within_s=90)
    names = {name.rpartition("-")[0] for name in running(engine)}
    assert names == {"moorage"}, "only the one on trial runs"
    busy = engine.engine.call("GET", "/containers/json", query={"all": 1})
    assert len(busy) == 2
    # It gets well while nobody looks.
    path = "/containers/moorage-app/exec"
    made = engine.engine.call("POST", path, {"Cmd": ["sh", "-c", "echo > /tmp/ready"]})
    engine.engine.call("POST", f"/exec/{made['Id']}/start", {"Detach": True})
    run(folder, server, lambda: events(server, "updated"), within_s=90)
    assert len(engine.engine.call("GET", "/containers/json", query={"all": 1})) == 1


def test_a_config_that_changes_the_service_ends_its_update(
    server, folder, engine, registry, in_more_haste
):
    health = {"command": ["test", "-e", "/tmp/ready"], "interval_s": 0.2, "retries": 500}
    files = {"bin/app": "#!/bin/sh\necho > /tmp/ready; exec sleep 600\n"}
    registry.push("app", "stable", layer(files), version(1))
    server.set_config(followed(registry, health=health))
    server.interval_s = 1
    pushed = []

    def changed():
        if applied(server) and not pushed:
            pushed.append(registry.push("app", "stable", layer(FINE), version(2)))
        if services(server).get("app", {}).get("state") == "updating" and server.revision == 2:
            other = {"environment_variables": {"A": "1"}, "automatic_updates": False}
            server.set_config(followed(registry, **other))
        return applied(server) and server.revision == 3

    run(folder, server, changed, within_s=90)
    assert told(server)[-1]["state"] == "applied"
    assert len(engine.engine.call("GET", "/containers/json", query={"all": 1})) == 1
    assert "A=1" in inspected(engine, "moorage-app")["Config"]["Env"]


def test_what_nothing_uses_any_more_and_we_pulled_is_removed_and_nothing_else(
    server, folder, engine, registry, in_more_haste
):
    for tag in "123":
        registry.push("app", tag, layer(FINE), version(tag))
    theirs = f"{registry.host}/theirs:1"
    registry.users = None
    registry.push("theirs", "1", version("theirs"))
    query = {"fromImage": theirs}
    for _told in engine.engine.progress("/images/create", query=query):
        pass

    def config(tag, kept_s=0):
        wanted = document(app=container(image=f"{registry.host}/app", tag=tag, command=["app"]))
        wanted["config"] = {**wanted["config"], "images_kept_s": kept_s}
        return wanted

    def ours():
        return {name.rpartition(":")[2] for name in engine.images() if "/app:" in name}

    def noted():
        used = image_keeping.read(str(folder)).used.get("app", [None])
        return applied(server) and used[0] == inspected(engine, "moorage-app")["Image"]

    for tag in "123":
        server.set_config(config(tag, kept_s=3600))
        run(folder, server, noted, within_s=60)
    assert ours() == {"1", "2", "3"}
    server.set_config(config("3"))
    run(folder, server, lambda: "1" not in ours(), within_s=60)
    # The one before stays for going back, for however long.
    time.sleep(1)
    assert ours() == {"2", "3"}
    # When the service leaves the config its images go, but for one that a container is of.
    name = f"{registry.host}/app:2"
    engine.engine.call("POST", "/containers/create", {"Image": name}, query={"name": "somebodys"})
    wanted = document()
    wanted["config"] = {**wanted["config"], "images_kept_s": 0}
    server.set_config(wanted)
    run(folder, server, lambda: "3" not in ours(), within_s=60)
    assert ours() == {"2"}
    assert theirs in engine.images()


# --- rules

UNIT = units.Unit("app", "docker", "digest", 30.0, {"image": "x:1"}, None, 3600.0)


def judged(seen, *, wanted=UNIT, tried="digest", began=True, since=0.0, now=1.0):
    return container_updating.on_trial(
        wanted, tried, seen, began_at=0.0, began=began, runs_since=since, now=now
    ).what


@pytest.mark.parametrize(
    ("seen", "more", "what"),
    [
        (Seen("docker", "digest", "running"), {}, "wait"),
        (Seen("docker", "digest", "running"), {"now": 30.0}, "keep"),
        (Seen("docker", "digest", "running"), {"now": 30.0, "since": 10.0}, "wait"),
        (Seen("docker", "digest", "running", health="healthy"), {}, "keep"),
        (Seen("docker", "digest", "running", health="starting"), {"now": 299.0}, "wait"),
        (Seen("docker", "digest", "running", health="starting"), {"now": 301.0}, "back"),
        (Seen("docker", "digest", "running", health="unhealthy"), {}, "back"),
        (Seen("docker", "digest", "restarting", restarts=3), {}, "back"),
        (Seen("docker", "digest", "failed"), {}, "back"),
        (Seen("docker", "digest", "finished"), {}, "keep"),
        (None, {}, "back"),
        (Seen("docker", "digest", "stopped"), {"began": False}, "start"),
        (Seen("docker", "digest", "stopped"), {}, "wait"),
        (Seen("docker", "digest", "running"), {"wanted": None}, "leave"),
        (Seen("docker", "digest", "running"), {"tried": "of an earlier config"}, "leave"),
    ],
)
def test_what_becomes_of_a_trial(seen, more, what):
    assert judged(seen, **more) == what


@pytest.mark.parametrize(
    ("has", "refused", "what"),
    [
        (set(), set(), "update"),
        ({"new"}, set(), "nothing"),
        ({"old"}, set(), "update"),
        ({"old"}, {"new"}, "nothing"),
        ({"old"}, {"older"}, "update"),
    ],
)
def test_only_a_digest_that_neither_runs_nor_was_refused_is_tried(has, refused, what):
    found = container_updating.about("new", frozenset(has), frozenset(refused))
    assert found == what


@given(st.floats(0, 1e9), st.floats(60, 604800), st.floats(0, 1, exclude_max=True))
def test_looks_are_spread_and_bounded(now, every_s, luck):
    following = container_updating.next_look_at(now, every_s, luck)
    assert now + 0.74 * every_s <= following <= now + 1.26 * every_s
    assert now <= container_updating.first_look_at(now, every_s, luck) <= now + every_s


@pytest.mark.parametrize(
    ("entry", "settings", "every_s"),
    [
        ({"image": "a"}, {}, None),
        ({"image": "a", "automatic_updates": False}, {}, None),
        ({"image": "a", "automatic_updates": True}, {}, 3600.0),
        (
            {"image": "a", "automatic_updates": True},
            {"automatic_updates_every_s": 600},
            600.0,
        ),
        ({"command": "a", "automatic_updates": True}, {}, None),
    ],
)
def test_following_a_tag_makes_no_other_unit(entry, settings, every_s):
    wanted = {"config": settings, "services": {"app": entry}, "streams": {}}
    plain = {**entry, "automatic_updates": None}
    [unit] = units.units_of(wanted).values()
    [same] = units.units_of({**wanted, "services": {"app": plain}}).values()
    assert unit.updates_every_s == every_s
    assert unit.digest == same.digest


def test_an_image_by_its_digest_is_never_looked_up():
    pinned = UNIT._replace(body={"image": "x@sha256:" + "0" * 64})
    assert not container_updating.is_followed(pinned)
    assert container_updating.is_followed(UNIT)
    assert not container_updating.is_followed(UNIT._replace(updates_every_s=None))


def test_an_image_goes_after_its_time_and_a_use_begins_it_anew():
    kept = image_keeping.Kept({}, {})
    for name in ("a", "b", "theirs-too"):
        kept = image_keeping.with_pulled(kept, name, f"{name}:1")
    kept = image_keeping.with_services(kept, {"app": "a"}, ["app"])
    kept = image_keeping.with_services(kept, {"app": "b"}, ["app"])
    kept = image_keeping.aged(kept, set(), 100.0)
    assert image_keeping.removable(kept, 60.0) == ["theirs-too"], "the one before stays"
    assert image_keeping.removable(kept, 101.0) == []
    assert image_keeping.removable(image_keeping.with_use(kept, "theirs-too"), 0.0) == []
    in_use = image_keeping.aged(kept, {"theirs-too"}, 100.0)
    assert image_keeping.removable(in_use, 0.0) == []
    gone = image_keeping.with_services(kept, {}, [])
    gone = image_keeping.aged(gone, {"a"}, 70.0)
    assert image_keeping.removable(gone, 60.0) == ["b", "theirs-too"]


def test_what_was_pulled_is_known_after_a_restart_and_nonsense_is_nothing(tmp_path):
    kept = image_keeping.with_pulled(image_keeping.Kept({}, {"app": ["x"]}), "x", "x:1")
    image_keeping.write(str(tmp_path), kept)
    assert image_keeping.read(str(tmp_path)) == kept
    [path] = tmp_path.glob("*.json")
    for text in ("", "[]", "{}", '{"pulled": [], "used": {}}', '{"pulled": {"a": 1}, "used": {}}'):
        path.write_text(text)
        assert image_keeping.read(str(tmp_path)) == image_keeping.Kept({}, {})

"""Images from a registry that wants a login, by a real engine: pulled, refused, planned."""

import base64
import json

import pytest

from agent.docker_kit import container, document, inspected, running, services, told
from agent.kit import run
from support.registry import Registry, layer

PASSWORD = "s3cret-of-the-registry"
WRONG = "s3cret-that-is-wrong"


@pytest.fixture(autouse=True)
def _in_haste(in_haste):
    """Every test here has an agent in haste."""


@pytest.fixture
def engine(docker_engine):
    yield docker_engine
    docker_engine.remove_all()
    docker_engine.remove_images("127.0.0.1:")


@pytest.fixture(params=["basic", "bearer"])
def registry(request):
    made = Registry({"reader": PASSWORD}, request.param)
    yield made
    made.close()


@pytest.fixture
def open_registry():
    made = Registry()
    yield made
    made.close()


def login(password):
    return {"username": "reader", "password": password}


def app(there, tag="1", **more):
    return container(image=f"{there.host}/team/app", tag=tag, **more)


def hidden(server, engine, caplog, folder):
    """What nobody may find a password in: reports, events and lines, labels, the engine's view."""
    containers = [inspected(engine, name) for name in running(engine)]
    lines = [record.getMessage() for record in caplog.records]
    files = [one.read_bytes().decode("utf-8", "replace") for one in folder.glob("*.json")]
    return json.dumps([server.accepted, containers, lines, files], ensure_ascii=False)


@pytest.mark.parametrize("password", [None, WRONG])
def test_who_may_not_pull_is_refused_at_once_and_the_reason_is_told(
    server, folder, engine, registry, caplog, password
):
    registry.push("team/app", "1")
    given = {} if password is None else {"registry": login(password)}
    server.set_config(document(app=app(registry, **given)))
    run(folder, server, lambda: told(server), within_s=60)
    assert told(server)[-1]["state"] == "failed"
    assert "registry refuses" in told(server)[-1]["error"]
    expected = "no login" if password is None else "not taken"
    assert expected in told(server)[-1]["error"]
    assert services(server)["app"]["state"] == "blocked: registry_refused"
    assert "registry refuses" in services(server)["app"]["error"]
    assert WRONG not in hidden(server, engine, caplog, folder)
    assert running(engine) == {}


@pytest.mark.parametrize("where", ["service", "registries"])
def test_with_the_login_of_the_config_it_is_pulled_and_the_login_stays_there(
    server, folder, engine, registry, caplog, where
):
    registry.push("team/app", "1")
    wanted = document(app=app(registry))
    if where == "service":
        wanted["services"]["app"]["registry"] = login(PASSWORD)
    else:
        wanted["config"] = {**wanted["config"], "registries": {registry.host: login(PASSWORD)}}
    server.set_config(wanted)
    run(folder, server, lambda: told(server), within_s=60)
    assert told(server)[-1]["state"] == "applied", told(server)
    assert services(server)["app"]["state"] == "running"
    assert running(engine)["moorage-app"]["Image"] == f"{registry.host}/team/app:1"
    encoded = base64.b64encode(f"reader:{PASSWORD}".encode()).decode()
    shown = hidden(server, engine, caplog, folder)
    assert PASSWORD not in shown
    assert encoded not in shown
    assert any(one.login for one in registry.requests)


def test_another_tag_runs_what_the_registry_has_behind_it_and_the_same_tag_what_is_here(
    server, folder, engine, open_registry
):
    first = open_registry.push("team/app", "1")
    second = open_registry.push("team/app", "2", layer({"etc/version": "2"}))

    def runs():
        image = inspected(engine, "moorage-app")["Image"]
        [name] = engine.engine.call("GET", f"/images/{image}/json")["RepoDigests"]
        return name.rpartition("@")[2]

    server.set_config(document(app=app(open_registry, "1")))
    run(folder, server, lambda: told(server), within_s=60)
    assert runs() == first.digest
    # What moves behind a tag is for those who follow it.
    open_registry.push("team/app", "1", layer({"etc/version": "1.1"}))
    server.set_config(document(app=app(open_registry, "1", working_dir="/tmp")))
    run(folder, server, lambda: told(server)[-1]["revision"] == 3, within_s=60)
    assert runs() == first.digest
    server.set_config(document(app=app(open_registry, "2")))
    run(folder, server, lambda: told(server)[-1]["revision"] == 4, within_s=60)
    assert told(server)[-1]["state"] == "applied"
    assert runs() == second.digest


def test_a_service_that_runs_and_lost_its_image_and_its_login_says_so_and_tries_again(
    server, folder, engine, registry
):
    """Nothing to go back to: it is the config in force that cannot be held up."""
    registry.push("team/app", "1")
    server.set_config(document(app=app(registry, registry=login(PASSWORD))))
    run(folder, server, lambda: told(server), within_s=60)
    engine.remove_all()
    engine.remove_images("127.0.0.1:")
    registry.users = {"reader": "another by now"}
    server.interval_s = 1

    def refused():
        return services(server).get("app", {}).get("state") == "blocked: registry_refused"

    run(folder, server, refused, within_s=60)
    registry.users = {"reader": PASSWORD}
    run(folder, server, lambda: "moorage-app" in running(engine), within_s=60)


def test_a_plan_tells_what_is_to_be_pulled_of_this_platform(server, folder, engine, registry):
    first = registry.push("team/app", "1")
    ours = registry.push("team/app", "amd64", layer({"etc/app": "x" * 5000}))
    other = registry.push("team/app", "arm64", platform=("linux", "arm64"))
    images = {("linux", "arm64"): other, ("linux", "amd64"): ours}
    registry.push_list("team/app", "2", images)
    entry = app(registry, registry=login(PASSWORD))
    told_first = planned(server, folder, document(app=entry))
    [prepare] = [one for one in told_first["effects"] if one["do"] == "prepare"]
    assert prepare["pull_bytes"] == first.size_bytes
    assert told_first["notes"] == []
    assert told_first["would_apply"] is True
    server.set_config(document(app=entry))
    run(folder, server, lambda: told(server) and told(server)[-1]["revision"] == 2, within_s=60)
    # Of the next version only what is new: the layers below are here.
    told_next = planned(server, folder, document(app={**entry, "tag": "2"}))
    [prepare] = [one for one in told_next["effects"] if one["do"] == "prepare"]
    assert prepare["pull_bytes"] == ours.size_bytes - first.size_bytes
    assert 0 < prepare["pull_bytes"] < 1000
    assert PASSWORD not in json.dumps([told_first, told_next])


@pytest.mark.parametrize(
    ("tag", "given", "kind"),
    [
        ("1", {}, "registry"),
        ("1", {"registry": login(WRONG)}, "registry"),
        ("none", {"registry": login(PASSWORD)}, "registry"),
        ("arm64", {"registry": login(PASSWORD)}, "platform"),
    ],
)
def test_a_plan_tells_what_a_registry_refuses(server, folder, engine, registry, tag, given, kind):
    registry.push("team/app", "1")
    other = registry.push("team/app", "x", platform=("linux", "arm64"))
    registry.push_list("team/app", "arm64", {("linux", "arm64"): other})
    told_it = planned(server, folder, document(app=app(registry, tag, **given)))
    assert told_it["would_apply"] is False
    assert [(one["service"], one["kind"]) for one in told_it["obstacles"]] == [("app", kind)]
    assert WRONG not in json.dumps(told_it)


def test_a_plan_says_what_it_could_not_learn_and_goes_on(server, folder, engine, open_registry):
    image = open_registry.push("team/app", "1")
    for digest in image.layers:
        open_registry.blobs.pop(digest)
    open_registry.blobs_at = "http://192.0.2.1"
    told_it = planned(server, folder, document(app=app(open_registry)))
    assert told_it["would_apply"] is True
    [note] = told_it["notes"]
    assert (note["service"], note["kind"]) == ("app", "pull_size_unknown")
    assert "size unknown" in note["detail"]


def test_a_disk_without_room_for_what_is_pulled_is_an_obstacle(
    server, folder, engine, open_registry, monkeypatch
):
    image = open_registry.push("team/app", "1")
    monkeypatch.setattr("moorage_agent.planning._ROOM_FOR_A_BYTE", 2**50)
    told_it = planned(server, folder, document(app=app(open_registry)))
    [full] = told_it["obstacles"]
    assert (full["service"], full["kind"]) == ("app", "disk")
    assert str(image.size_bytes) in full["detail"]
    assert full["needed_bytes"] > full["free_bytes"] > 0


def test_a_port_that_two_services_want_is_an_obstacle(server, folder, engine):
    wanted = document(
        a=container(ports=["18080:80"]),
        b=container(ports=["127.0.0.1:18080:81"]),
        c=container(ports=["18080:80/udp"]),
    )
    told_it = planned(server, folder, wanted)
    clashes = [one for one in told_it["obstacles"] if one["kind"] == "port_taken"]
    assert [(one["service"], "wanted by a" in one["detail"]) for one in clashes] == [("b", True)]


def planned(server, folder, wanted):
    """Ask a running agent for a plan; return its result."""
    command = f"cmd-{len(server.results)}"
    before = len(server.results)

    def answered():
        settled = told(server) and told(server)[-1]["revision"] == server.revision
        if settled and command not in server.open and len(server.results) == before:
            server.ask(command, "plan", arguments={"document": wanted})
        return len(server.results) > before

    run(folder, server, answered, within_s=60)
    assert server.results[-1]["state"] == "succeeded", server.results[-1]
    return server.results[-1]["result"]

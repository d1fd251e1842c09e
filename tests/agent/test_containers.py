"""Services as containers, by a real Docker Engine: from a document to what the engine has."""

import io
import json
import re
import socket
import tarfile
import time

import pytest

from agent.docker_kit import container, document, inspected, running, services, told
from agent.kit import run
from moorage_agent import container_specs, units
from moorage_agent.containers import Containers
from moorage_agent.drivers import DriverError
from moorage_agent.engine import Engine
from support import docker


@pytest.fixture(autouse=True)
def _in_haste(in_haste):
    """Every test here has an agent in haste."""


@pytest.fixture
def engine(docker_engine):
    return docker_engine


def test_a_container_is_made_as_the_document_says_and_outlives_the_agent(server, folder, engine):
    entry = container(
        environment_variables={"GREETING": "grüß €"},
        volumes=["/tmp:/host:ro"],
        memory_mb=64,
        user="0",
        working_dir="/tmp",
    )
    server.set_config(document(app=entry))
    run(folder, server, lambda: told(server))
    assert told(server)[-1]["state"] == "applied", told(server)
    assert services(server)["app"]["state"] == "running"
    assert services(server)["app"]["image"] == f"{docker.IMAGE}:1"
    found = inspected(engine, "moorage-app")
    assert found["State"]["Running"]
    assert "GREETING=grüß €" in found["Config"]["Env"]
    assert found["HostConfig"]["Binds"] == ["/tmp:/host:ro"]
    assert found["HostConfig"]["Memory"] == 64 * 1024 * 1024
    assert found["HostConfig"]["RestartPolicy"]["Name"] == "always"
    labels = found["Config"]["Labels"]
    assert labels["moorage.service"] == "app"
    assert labels["moorage.device"] == "device-1"
    assert labels["moorage.revision"] == "2"
    # The next process finds it, and leaves it alone.
    run(folder, server, lambda: len(server.rows("events")) == 2)
    time.sleep(0.5)
    assert inspected(engine, "moorage-app")["Id"] == found["Id"]


def test_another_tag_is_another_container_and_what_leaves_the_config_is_removed(
    server, folder, engine
):
    server.set_config(document(app=container(), other=container()))

    def changed():
        if told(server) and server.revision == 2:
            assert set(running(engine)) == {"moorage-app", "moorage-other"}
            server.set_config(document(app=container(tag="2")))
        return told(server) and told(server)[-1]["revision"] == 3

    run(folder, server, changed, within_s=60)
    assert told(server)[-1]["state"] == "applied"
    assert {name: one["Image"] for name, one in running(engine).items()} == {
        "moorage-app": f"{docker.IMAGE}:2"
    }


@pytest.mark.parametrize(
    ("entry", "named"),
    [
        ({"image": "127.0.0.1:1/no/such", "tag": "1"}, "cannot be pulled"),
        (container(command=["no-such-program"]), "no-such-program"),
        (container(command=["sh", "-c", "exit 7"], restart="no"), "exit code 7"),
        (container(gpu=True), "GPU"),
        (
            container(health={"command": ["false"], "interval_s": 0.2, "retries": 1}),
            "health check",
        ),
        (container(command=["sh", "-c", "sleep 0.1; exit 3"]), "restarted"),
    ],
)
def test_what_cannot_run_goes_back_to_the_container_of_before(
    server, folder, engine, monkeypatch, entry, named
):
    # What a network may do better later is tried for long; here it is refused for good.
    monkeypatch.setattr("moorage_agent.engine._PASSING", re.compile("(?!)"))
    server.set_config(document(app=container()))

    def failed():
        if told(server) and server.revision == 2:
            server.set_config(document(app=entry))
        return told(server) and told(server)[-1]["revision"] == 3

    run(folder, server, failed, within_s=60)
    assert told(server)[-1]["state"] == "failed"
    assert named in told(server)[-1]["error"]
    assert running(engine)["moorage-app"]["Image"] == f"{docker.IMAGE}:1"


def test_a_service_without_a_gpu_runtime_is_shown_blocked(server, folder, engine):
    server.set_config(document(app=container(gpu=True)))
    run(folder, server, lambda: told(server))
    assert told(server)[-1]["state"] == "failed"
    assert services(server)["app"]["state"] == "blocked: no_gpu_runtime"


def test_a_health_check_decides_when_there_is_one(server, folder, engine):
    health = {"command": ["test", "-e", "/tmp/ready"], "interval_s": 0.2, "retries": 50}
    command = ["sh", "-c", "sleep 1; echo > /tmp/ready; exec sleep 600"]
    server.set_config(document(app=container(command=command, health=health, stable_s=3600)))
    run(folder, server, lambda: told(server), within_s=60)
    assert told(server)[-1]["state"] == "applied"
    assert services(server)["app"]["state"] == "healthy"


def test_a_container_that_somebody_removed_is_made_again(server, folder, engine):
    server.set_config(document(app=container()))
    removed = []

    def again():
        if told(server) and not removed:
            removed.append(inspected(engine, "moorage-app")["Id"])
            engine.engine.call("DELETE", f"/containers/{removed[0]}?force=1")
        return removed and running(engine) and inspected(engine, "moorage-app")["Id"] != removed[0]

    run(folder, server, again, within_s=60)


def test_lines_arrive_once_also_those_written_while_the_agent_was_down(server, folder, engine):
    server.interval_s = 1
    counts = "n=0; while test $n -lt 40; do n=$((n+1)); echo line $n; sleep 0.1; done; sleep 600"
    server.set_config(document(app=container(command=["sh", "-c", counts])))

    def lines():
        return [row["message"] for row in server.rows("logs") if row["service"] == "app"]

    run(folder, server, lambda: len(lines()) > 3)
    time.sleep(1)
    run(folder, server, lambda: "line 40" in lines(), within_s=60)
    assert lines() == [f"line {number}" for number in range(1, 41)]


def test_an_image_can_come_from_a_file(server, folder, engine, tmp_path):
    path = tmp_path / "image.tar"
    path.write_bytes(engine.engine.call("GET", f"/images/{docker.IMAGE}:1/get"))
    renamed = tmp_path / "renamed.tar"
    with tarfile.open(path) as old, tarfile.open(renamed, "w") as new:
        for member in old.getmembers():
            file = old.extractfile(member) if member.isfile() else None
            data = b"" if file is None else file.read()
            if member.name == "manifest.json":
                manifest = json.loads(data)
                manifest[0]["RepoTags"] = ["preloaded:7"]
                data = json.dumps(manifest).encode()
            elif member.name == "repositories":
                continue
            member.size = len(data)
            new.addfile(member, io.BytesIO(data) if member.isfile() else None)
    server.set_config(document(app=container(image="preloaded", tag="7", image_file=str(renamed))))
    run(folder, server, lambda: told(server))
    assert told(server)[-1]["state"] == "applied", told(server)
    assert "preloaded:7" in engine.images()


def test_figures_of_use_are_reported(engine, tmp_path):
    driver = Containers(str(tmp_path), "me", "d", lambda *_line: None, Engine(engine.socket))
    busy = ["sh", "-c", "while true; do true; done"]
    [unit] = units.units_of(document(app=container(command=busy))).values()
    driver.prepare(unit)
    driver.start(unit, 1)
    driver.seen()
    driver.stats()
    time.sleep(1)
    cpu_percent, memory_mb = driver.stats()["app"]
    # However little of a core it is given on a machine that is busy.
    assert 1 < cpu_percent < 250
    assert memory_mb is not None


def test_what_is_not_ours_is_never_touched(engine, tmp_path):
    ours = Containers(str(tmp_path), "me", "d", lambda *_line: None, Engine(engine.socket))
    theirs = Containers(str(tmp_path), "they", "d", lambda *_line: None, Engine(engine.socket))
    [unit] = units.units_of(document(app=container())).values()
    theirs.start(unit, 1)
    with pytest.raises(DriverError, match="not ours"):
        ours.start(unit, 1)
    ours.remove("app")
    assert ours.seen() == {}
    assert theirs.seen()["app"].state == "running"


def test_what_would_stop_a_service_is_said_without_doing_anything(engine, tmp_path):
    driver = Containers(str(tmp_path), "me", "d", lambda *_line: None, Engine(engine.socket))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = f"127.0.0.1:{taken.getsockname()[1]}:80"
        entry = container(image="127.0.0.1:1/none", ports=[port], gpu=True)
        [unit] = units.units_of(document(app=entry)).values()
        found = driver.outlook(unit)
    assert {one["kind"] for one in found.obstacles} == {"port_taken", "no_gpu_runtime"}
    # Nobody is there to say no: that may be over by the time it is applied.
    assert [one["kind"] for one in found.notes] == ["pull_size_unknown"]
    assert running(engine) == {}


@pytest.mark.parametrize(
    ("runtimes", "jetson", "toolkit", "way"),
    [
        ({"runc": {}}, False, False, None),
        ({"nvidia": {}}, False, False, container_specs.DEVICE_REQUESTS),
        ({"runc": {}}, False, True, container_specs.DEVICE_REQUESTS),
        ({"nvidia": {}}, True, False, container_specs.NVIDIA_RUNTIME),
        ({"runc": {}}, True, True, None),
    ],
)
def test_a_gpu_is_given_as_the_device_can(runtimes, jetson, toolkit, way):
    found = container_specs.gpu_way(runtimes, is_jetson=jetson, has_toolkit=toolkit)
    assert found == way
    [unit] = units.units_of(document(app=container(gpu=True))).values()
    host = container_specs.body_of(unit, labels={}, gpu=found)["HostConfig"]
    assert ("DeviceRequests" in host) == (way == container_specs.DEVICE_REQUESTS)
    assert (host.get("Runtime") == "nvidia") == (way == container_specs.NVIDIA_RUNTIME)

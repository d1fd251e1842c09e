"""Ports, networks, GPUs and a full disk, by a real engine in a network and on a disk of its own."""

import shutil
import socket
import tempfile
from pathlib import Path

import pytest

from agent.docker_kit import container, document, inspected, running, services, told
from agent.kit import run
from moorage_agent import containers, units
from moorage_agent.drivers import NO_GPU_RUNTIME, DriverError
from moorage_agent.engine import Engine
from support import docker
from support.registry import Registry, layer

PORT = 18080
GREETS = ["busybox", "nc", "-ll", "-p", "80", "-e", "echo", "hello"]


@pytest.fixture(scope="module")
def apart():
    folder = Path(tempfile.mkdtemp(prefix="moorage-docker-"))
    made = docker.started(folder, disk_mb=64)
    made.import_busybox("1")
    yield made
    made.remove_all()
    made.stop()
    shutil.rmtree(folder)


@pytest.fixture
def engine(apart):
    yield apart
    apart.remove_all()


@pytest.fixture
def agent(in_haste, engine, monkeypatch):
    """An agent in haste whose engine is this one."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{engine.socket}")


@pytest.fixture
def driver(engine, tmp_path):
    made = containers.Containers(
        str(tmp_path), "me", "d", lambda *_line: None, Engine(engine.socket)
    )
    yield made
    made.close()


def heard(engine, address, port=PORT):
    """What is said at an address of the engine's network."""

    def connect():
        return socket.create_connection((address, port), 10)

    with engine.apart(connect) as sock:
        return sock.makefile().read().strip()


def taken(engine):
    """A socket that holds the port there."""

    def bind():
        sock = socket.socket()
        # What an earlier test said there is on its way out still.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", PORT))
        sock.listen()
        return sock

    return engine.apart(bind)


def greeter(**more):
    return container(command=GREETS, **more)


def unit_of(**more):
    [unit] = units.units_of(document(app=container(**more))).values()
    return unit


def test_a_published_port_is_served_where_the_config_says_and_nowhere_else(
    server, folder, engine, agent
):
    server.set_config(document(app=greeter(ports=[f"127.0.0.1:{PORT}:80"])))
    run(folder, server, lambda: told(server), within_s=60)
    assert told(server)[-1]["state"] == "applied", told(server)
    assert heard(engine, "127.0.0.1") == "hello"
    with pytest.raises(ConnectionRefusedError):
        heard(engine, "172.30.255.1")
    server.set_config(document(app=greeter(ports=[f"{PORT}:80"])))
    run(folder, server, lambda: told(server)[-1]["revision"] == 3, within_s=60)
    assert heard(engine, "172.30.255.1") == "hello"


def test_a_port_that_is_taken_is_named_and_the_config_goes_back(server, folder, engine, agent):
    server.set_config(document(app=greeter(ports=[f"127.0.0.1:{PORT + 1}:80"])))
    run(folder, server, lambda: told(server), within_s=60)
    with taken(engine):
        server.set_config(document(app=greeter(ports=[f"127.0.0.1:{PORT}:80"])))
        run(folder, server, lambda: told(server)[-1]["revision"] == 3, within_s=60)
    assert told(server)[-1]["state"] == "failed"
    assert f"app: port {PORT} is in use on this device" in told(server)[-1]["error"]
    assert heard(engine, "127.0.0.1", PORT + 1) == "hello"


def test_a_port_of_another_container_is_named_as_well(server, folder, engine, agent):
    other = {"Image": f"{docker.IMAGE}:1", "Cmd": ["sleep", "600"], "ExposedPorts": {"80/tcp": {}}}
    binding = [{"HostIp": "127.0.0.1", "HostPort": str(PORT)}]
    other["HostConfig"] = {"PortBindings": {"80/tcp": binding}}
    engine.engine.call("POST", "/containers/create", other, query={"name": "somebodys"})
    engine.engine.call("POST", "/containers/somebodys/start")
    server.set_config(document(app=greeter(ports=[f"127.0.0.1:{PORT}:80"])))
    run(folder, server, lambda: told(server), within_s=60)
    assert told(server)[-1]["state"] == "failed"
    assert f"port {PORT} is in use" in told(server)[-1]["error"]
    assert "somebodys" in running(engine)


def test_a_service_joins_a_network_by_its_name_and_says_when_there_is_none(
    server, folder, engine, agent
):
    engine.engine.call("POST", "/networks/create", {"Name": "plant", "CheckDuplicate": True})
    try:
        server.set_config(document(app=container(network="plant")))
        run(folder, server, lambda: told(server), within_s=60)
        assert told(server)[-1]["state"] == "applied", told(server)
        networks = inspected(engine, "moorage-app")["NetworkSettings"]["Networks"]
        assert list(networks) == ["plant"]
        server.set_config(document(app=container(network="office")))
        run(folder, server, lambda: told(server)[-1]["revision"] == 3, within_s=60)
        assert told(server)[-1]["state"] == "failed"
        assert "office" in told(server)[-1]["error"]
    finally:
        engine.remove_all()
        engine.engine.call("DELETE", "/networks/plant")


def test_a_jetsons_runtime_is_asked_for_by_its_name(engine, driver, monkeypatch, tmp_path):
    (tmp_path / "release").touch()
    monkeypatch.setattr(containers, "_JETSON", str(tmp_path / "release"))
    unit = unit_of(gpu=True)
    driver.prepare(unit)
    driver.start(unit, 1)
    found = inspected(engine, "moorage-app")
    assert found["State"]["Running"]
    assert found["HostConfig"]["Runtime"] == "nvidia"
    assert "NVIDIA_VISIBLE_DEVICES=all" in found["Config"]["Env"]
    assert not found["HostConfig"]["DeviceRequests"]


def test_device_requests_are_taken_by_the_engine_and_blocked_without_a_driver(engine, driver):
    """This machine has no GPU: the engine takes the request, and cannot serve it."""
    unit = unit_of(gpu=True)
    driver.prepare(unit)
    with pytest.raises(DriverError, match="needs a GPU") as told_it:
        driver.start(unit, 1)
    assert told_it.value.blocked == NO_GPU_RUNTIME
    [request] = inspected(engine, "moorage-app")["HostConfig"]["DeviceRequests"]
    assert request["Count"] == -1
    assert request["Capabilities"] == [["gpu"]]


def test_a_disk_that_is_full_is_named_and_nothing_half_is_left(server, folder, engine, agent):
    registry = Registry()
    try:
        engine.apart(lambda: registry.listen(registry.port))
        registry.push("large", "1", layer({"etc/small": "x"}), layer({"data": bytes(80 * 2**20)}))
        before, images = engine.used_bytes(), engine.images()
        server.set_config(document(app=container(image=f"{registry.host}/large", tag="1")))
        run(folder, server, lambda: told(server), within_s=90)
        assert told(server)[-1]["state"] == "failed"
        assert "disk is full" in told(server)[-1]["error"]
        assert services(server) == {}
        assert engine.images() == images
        assert engine.used_bytes() - before < 2**20
        # There is room for what fits.
        registry.push("small", "1", layer({"etc/small": "y"}))
        server.set_config(document(app=container(image=f"{registry.host}/small", tag="1")))
        run(folder, server, lambda: told(server)[-1]["revision"] == 3, within_s=60)
        assert told(server)[-1]["state"] == "applied", told(server)
    finally:
        registry.close()

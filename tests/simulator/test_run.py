import asyncio
import functools
import json
import os
import signal
import sqlite3
import threading

import pytest

from moorage import sdk
from moorage.simulator import Client, Options, Outcome, Simulation, SimulationFailed, enrolment
from support.prestarted import prestarted
from support.server import ServerProcess

pytestmark = pytest.mark.anyio
# For claims about the run itself, in which the engine plays no part.
on_sqlite = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


@pytest.fixture
def server(database_url, engine, tmp_path):
    """A real server over each engine."""
    database = database_url if engine == "postgresql" else None
    process = ServerProcess(tmp_path / "server", database=database).start()
    yield process
    process.kill()


def options(**more) -> Options:
    wanted = {"devices": 12, "profiles": ("camera",), "seconds": 2.5, "interval_s": 0.3}
    return Options(**{**wanted, "verify": None, **more})


async def simulate(server: ServerProcess, key: str, wanted: Options, tell=lambda _: None):
    client = Client(server.base_url, connections=16)
    async with sdk.AsyncMoorage(server.base_url, key) as api:
        try:
            return await Simulation(wanted, client, api, tell).run()
        finally:
            await client.close()


def owner(server: ServerProcess, keys: dict) -> sdk.Moorage:
    return sdk.Moorage(server.base_url, keys["api_key"])


def check_balance(outcome: Outcome, devices: int) -> None:
    account = outcome.account
    assert account.made == account.acknowledged + account.refused
    assert account.waiting == outcome.lost == outcome.verified.twice == 0
    assert outcome.verified.devices == devices
    assert outcome.verified.reports >= account.acknowledged
    assert outcome.balanced


async def test_each_report_of_a_fleet_is_there_once_and_the_fleet_is_gone_after(server):
    keys = server.bootstrap()
    outcome = await simulate(server, keys["api_key"], options(profiles=("camera", "meter")))
    check_balance(outcome, 12)
    assert outcome.account.acknowledged >= 12
    assert outcome.verified.reports == outcome.account.acknowledged
    assert outcome.account.latencies.count == outcome.account.sent
    with owner(server, keys) as fleet:
        assert list(fleet.devices.iterate()) == []
        assert [one.revoked_at is None for one in fleet.provisioning_tokens.iterate()] == [
            False
        ] * 2


async def test_spoiled_sendings_are_repeated_and_stored_once(server):
    keys = server.bootstrap()
    wanted = options(profiles=("flaky", "storm"), seconds=4, interval_s=0.2)
    outcome = await simulate(server, keys["api_key"], wanted)
    check_balance(outcome, 12)
    assert outcome.account.answers_lost > 0
    assert outcome.account.resent > 0


async def test_nothing_is_lost_when_the_server_is_killed_in_between(server):
    keys = server.bootstrap()

    def kill_and_restart():
        server.kill()
        server.start()

    once = threading.Thread(target=kill_and_restart)

    def tell(progress):
        if progress.phase == "running" and progress.done >= 1 and once.ident is None:
            once.start()

    outcome = await simulate(server, keys["api_key"], options(seconds=5), tell)
    once.join()
    check_balance(outcome, 12)
    assert outcome.account.failures.total() > 0


async def test_what_the_server_lost_is_found(tmp_path):
    """The account is worth something only if it can come out wrong."""
    server = ServerProcess(tmp_path / "server").start()
    try:
        keys = server.bootstrap()

        def tell(progress):
            if progress.phase == "verifying" and progress.done == 1:
                with sqlite3.connect(tmp_path / "server/data/db/moorage.db", timeout=20) as db:
                    db.execute(
                        "DELETE FROM report_ledger WHERE sequence = 2 AND device_id IN "
                        "(SELECT id FROM devices WHERE name = 'camera 00003')"
                    )

        outcome = await simulate(server, keys["api_key"], options(), tell)
    finally:
        server.kill()
    assert not outcome.balanced
    assert outcome.lost == 1
    assert [one for one in outcome.verified.findings if one.startswith("camera 00003: ")]


@on_sqlite
async def test_kept_devices_show_what_they_reported(server):
    keys = server.bootstrap()
    outcome = await simulate(server, keys["api_key"], options(devices=2, keep=True))
    with owner(server, keys) as fleet:
        found = list(fleet.devices.iterate(tag=["simulated", outcome.run], sort="name"))
        assert [one.name for one in found] == ["camera 00000", "camera 00001"]
        assert {one.status for one in found} == {"online"}
        assert {one.type for one in found} == {"camera"}
        ours = found[0].id
        assert len(list(fleet.devices.telemetry(ours))) >= 6
        assert {stream.id for stream in fleet.streams.iterate(ours)} == {"entrance", "yard"}
        assert [one.name for one in fleet.devices.services(ours)] == ["inference-server"]
        assert fleet.config.get(ours).applied.state == "applied"


@on_sqlite
async def test_latency_is_counted_after_the_warm_up(server):
    keys = server.bootstrap()
    outcome = await simulate(server, keys["api_key"], options(warm_up_s=1))
    check_balance(outcome, 12)
    assert 0 < outcome.account.latencies.count < outcome.account.sent


@on_sqlite
async def test_a_run_that_is_stopped_is_drained_and_cleared_up(server):
    keys = server.bootstrap()
    client = Client(server.base_url, connections=4)
    async with sdk.AsyncMoorage(server.base_url, keys["api_key"]) as api:
        simulation = Simulation(options(devices=3, seconds=600), client, api)
        task = asyncio.create_task(simulation.run())
        while simulation.account.acknowledged < 6:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.05)
        simulation.stop()
        outcome = await task
        await client.close()
        assert [one async for one in api.devices.iterate()] == []
    check_balance(outcome, 3)
    assert outcome.seconds < 600


@on_sqlite
async def test_a_key_without_the_scope_makes_nothing(server):
    keys = server.bootstrap()
    with owner(server, keys) as fleet:
        weak = fleet.keys.create("weak", scopes=["device:read"]).key
    with pytest.raises(sdk.MissingScope):
        await simulate(server, weak, options())


async def test_what_is_no_server_is_said(unused_tcp_port_server):
    client = Client(unused_tcp_port_server, connections=1)
    with pytest.raises(SimulationFailed, match="not a Moorage server"):
        await enrolment.enrol(
            client,
            [enrolment.Newcomer("one", "one", "camera")],
            {"camera": "apt_"},
            lambda *_: None,
        )
    await client.close()


@pytest.fixture
async def unused_tcp_port_server():
    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listener:
        yield f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"


@on_sqlite
async def test_the_account_is_json_that_names_every_column(server, tmp_path):
    keys = server.bootstrap()
    env = {
        "MOORAGE_URL": server.base_url,
        "MOORAGE_API_KEY": keys["api_key"],
        "HOME": str(tmp_path),
    }
    run = ["sim", "run", "-n", "3", "--for", "2", "--interval", "0.5", "--json"]
    done = prestarted().run(run, env)
    assert done.returncode == 0, done.stderr
    account = json.loads(done.stdout)
    assert account["balanced"] is True
    assert account["lost"] == 0
    assert set(account["reports"]) == {
        "made",
        "acknowledged",
        "refused",
        "undelivered",
        "unaccounted",
        "by_backfill",
    }
    assert {"p50", "p90", "p99", "p99.9", "max"} == set(account["latency_ms"])
    assert "running 2/2" in done.stderr
    assert keys["api_key"] not in done.stdout + done.stderr


async def test_a_profile_that_is_none_is_refused(tmp_path):
    done = prestarted().run(["sim", "run", "--profile", "toaster"], {"HOME": str(tmp_path)})
    assert done.returncode == 2
    assert "camera" in done.stderr


@on_sqlite
async def test_one_signal_ends_the_life_and_two_leave_everything(server, tmp_path):
    keys = server.bootstrap()
    env = {
        "MOORAGE_URL": server.base_url,
        "MOORAGE_API_KEY": keys["api_key"],
        "HOME": str(tmp_path),
    }
    run = ["sim", "run", "-n", "2", "--for", "600", "--interval", "0.5", "--json"]
    with owner(server, keys) as fleet:

        def there() -> int:
            return len(list(fleet.devices.iterate(status=["online"])))

        for signals, code, left in ((1, 0, 0), (2, 1, 2)):
            out, said = tmp_path / f"out{signals}", tmp_path / f"said{signals}"
            with out.open("wb") as stdout, said.open("wb") as stderr:
                files = [stdout.fileno(), stdout.fileno(), stderr.fileno()]
                child = prestarted().spawn(run, env, files)
                await until(lambda: there() == 2)
                if signals == 2:  # so that what follows the first cannot be over already
                    os.kill(server.pid, signal.SIGSTOP)
                child.send_signal(signal.SIGINT)
                await until(functools.partial(told, said))
                if signals == 2:
                    child.send_signal(signal.SIGINT)
                assert child.wait(60) == code, said.read_text()
                os.kill(server.pid, signal.SIGCONT)
            assert len(list(fleet.devices.iterate())) == left
            if code == 0:
                assert json.loads(out.read_text())["balanced"] is True
            else:
                assert "carry the tag" in said.read_text()


def told(said) -> bool:
    return "ending: " in said.read_text()


async def until(holds):
    for _ in range(600):
        if holds():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("waited in vain")

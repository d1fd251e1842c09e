"""A disk that is slow, full or faulty: refused in words, nothing half, over when it is over."""

import asyncio
import contextlib
import errno
import itertools
import random
import resource
import shutil
import sqlite3
import subprocess
from contextlib import asynccontextmanager, closing

import httpx
import pytest

from faults.disk import FaultyDisk, library
from faults.kit import Load, ready, until, until_ready
from support.server import ServerProcess

DEVICES = 6
KILLS = 2
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    """A server on a disk that can be made faulty; its file is whole in the end."""
    folder = tmp_path_factory.mktemp("faulty")
    disk = FaultyDisk(library(folder), folder)
    server = ServerProcess(folder / "server", env=disk.env, own_interpreter=True).start()
    yield server, disk
    server.stop()
    disk.close()
    assert_whole(server.folder)


@pytest.fixture
def server(broken):
    return broken[0]


@pytest.fixture
def disk(broken):
    yield broken[1]
    broken[1].mend()


@pytest.fixture
def plain(tmp_path):
    process = ServerProcess(tmp_path / "server").start()
    yield process
    process.stop()
    assert_whole(tmp_path / "server")


def database_of(folder):
    return folder / "data" / "db" / "moorage.db"


def assert_whole(folder):
    with closing(sqlite3.connect(database_of(folder))) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@pytest.fixture
def small_disk(tmp_path):
    """A real file system of few megabytes; only who may mount has one."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=24m", "none", folder]
    if shutil.which("mount") is None or subprocess.run(mount, check=False).returncode:
        pytest.skip("a small disk cannot be mounted here")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


async def remounted(folder, how):
    mount = ["mount", "-o", f"remount,{how}", folder]
    await asyncio.to_thread(subprocess.run, mount, check=True)


@asynccontextmanager
async def loaded(server):
    """Devices that report; afterwards what is stored is held against what was acknowledged."""
    owner = server.bootstrap(f"fleet-{next(_numbers)}")["api_key"]
    async with httpx.AsyncClient(base_url=server.base_url, timeout=60) as client:
        load = Load(client, owner)
        await load.enrol(DEVICES)
        async with load.running():
            await load.more()
            yield load
            await load.more()
        await load.compare()


async def owner_is_refused(load, status, code):
    answer = await load.client.post("/v1/devices", json={"name": "a"}, headers=load.as_owner)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert int(answer.headers["retry-after"]) >= 1


async def owner_may_read(load):
    path = f"/v1/devices/{load.devices[0].id}/logs"
    answer = await load.client.get(path, headers=load.as_owner)
    assert answer.status_code == 200, answer.text


async def test_on_a_slow_disk_each_waits_for_its_commit_and_the_rest_goes_on(server, disk):
    async with loaded(server) as load:
        with disk.slow(300):
            for _ in range(3):
                await load.more()
                await until(lambda: disk.get("syncs_under_way"), "a commit")
                await owner_may_read(load)
                assert await ready(load.client)
        assert load.refused.keys() <= {(503, "overloaded")}


async def test_a_commit_that_did_not_reach_the_disk_is_not_acknowledged(server, disk):
    faults = disk.made
    async with loaded(server) as load:
        for _ in range(5):
            disk.fail_syncs(1)
            await load.refusal(503, "storage_unavailable")
            await load.more()
        assert disk.made == faults + 5
        disk.fail_syncs()
        await owner_is_refused(load, 503, "storage_unavailable")
        await until_ready(load.client, wanted=False)
        await owner_may_read(load)
        disk.mend()
        await until_ready(load.client)


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (errno.ENOSPC, 507, "storage_full"),
        (errno.EIO, 503, "storage_unavailable"),
        (errno.EROFS, 503, "storage_unavailable"),
    ],
    ids=["full", "failing", "read-only"],
)
async def test_a_disk_that_takes_no_more_refuses_in_words_and_recovers(
    server, disk, error, status, code
):
    async with loaded(server) as load:
        for _ in range(2):
            disk.fail_writes(error)
            await load.refusal(status, code)
            await owner_is_refused(load, status, code)
            await owner_may_read(load)
            disk.mend()
            await load.more()
        assert load.refused.keys() <= {(status, code), (503, "storage_unavailable")}


async def test_a_disk_that_writes_less_than_it_was_given_makes_no_half_report(server, disk):
    async with loaded(server) as load:
        disk.put(writes_to_cut=200)
        await until(lambda: disk.get("writes_to_cut") == 0, "200 short writes")
    assert not load.refused


async def test_killed_within_a_commit_what_was_acknowledged_is_there(server, disk):
    async with loaded(server) as load:
        for _ in range(KILLS):
            disk.put(sync_delay_ms=300)
            await until(lambda: disk.get("syncs_under_way"), "a commit")
            await asyncio.sleep(random.uniform(0, 0.25))
            server.kill()
            disk.put(sync_delay_ms=0, syncs_under_way=0)
            await asyncio.to_thread(server.start)
            await load.more()


async def test_a_file_that_may_not_grow_is_no_end(plain):
    """The limit is the kernel's, as a quota's would be."""
    async with loaded(plain) as load:
        database = database_of(plain.folder)
        size = max(one.stat().st_size for one in database.parent.iterdir())
        unlimited = resource.prlimit(plain.pid, resource.RLIMIT_FSIZE, (size, -1))
        await load.refusal(503, "storage_unavailable")
        await owner_is_refused(load, 503, "storage_unavailable")
        await owner_may_read(load)
        resource.prlimit(plain.pid, resource.RLIMIT_FSIZE, unlimited)


async def test_while_another_process_writes_all_are_refused_in_time(plain):
    """None waits for all who were turned away before it."""
    async with loaded(plain) as load:
        with closing(sqlite3.connect(database_of(plain.folder), isolation_level=None)) as other:
            for _ in range(1_000):
                try:
                    other.execute("BEGIN IMMEDIATE")
                    break
                except sqlite3.OperationalError:
                    await asyncio.sleep(0.01)
            await owner_may_read(load)
            async with asyncio.timeout(40):
                many = [owner_is_refused(load, 503, "storage_unavailable") for _ in range(12)]
                await asyncio.gather(load.refusal(503, "storage_unavailable"), *many)
            await until_ready(load.client, wanted=False)
        await until_ready(load.client)


async def test_a_real_disk_that_fills_up_and_one_that_is_read_only(small_disk, tmp_path):
    server = ServerProcess(small_disk / "server").start()
    server.log = tmp_path / "server.log"
    ballast = small_disk / "ballast"
    try:
        async with loaded(server) as load:
            with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
                while file.write(bytes(4096)):
                    continue
            await until(lambda: any(status == 507 for status, _ in load.refused), "a refusal")
            await owner_may_read(load)
            ballast.unlink()
            await load.more()
        server.stop()
        await remounted(small_disk, "ro")
        with pytest.raises(RuntimeError, match="the database file cannot be opened for writing"):
            server.start()
        await remounted(small_disk, "rw")
        server.start()
        async with httpx.AsyncClient(base_url=server.base_url, timeout=60) as client:
            load.client = client
            await load.compare()
    finally:
        server.stop()
    assert_whole(server.folder)

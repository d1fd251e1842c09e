"""Backups: one moment of a running server in one file, and back into an empty database."""

import asyncio
import signal
import stat
import zipfile
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from conftest import ENGINES
from moorage.kit.clock import to_ms
from moorage.server import backup as backing
from moorage.server import load_settings, sealing
from moorage.server.backup import backup
from moorage.server.keyring import KEY_FILES
from moorage.server.opening import SetupError, open_for
from moorage.server.restore import restore
from moorage.storage import NewerDatabase, StorageError, archive
from support.devices import enrolled, rfc3339, send_until_acknowledged
from support.engines import on_postgresql, on_sqlite
from support.places import contents, empty_place, tables_in
from support.prestarted import prestarted
from support.senders import enrolled as enrolled_here
from support.wheel import clean_env

LINES = sa.text(
    "INSERT INTO log_lines (device_id, at, id, received_at, service, severity, message) "
    "VALUES (:device_id, :at, :id, :at, 'a', 'info', :message)"
)
PASSPHRASE = "correct horse battery staple"
# What a restored database is told beside what was in it.
BEGINS_ANEW = {
    *("config_revisions", "config_states", "install_tokens", "audit_entries", "account_links"),
}


@pytest.fixture
def settings(database_url, tmp_path, running):
    """Of the server that runs."""
    return load_settings(data=tmp_path / "data", database=database_url, keys_dir=tmp_path / "keys")


@pytest.fixture
def place(engine, postgres, tmp_path):
    """An empty database of the other engine, with the keys of the server that runs."""
    other = next(name for name in ENGINES if name != engine)
    with empty_place(other, tmp_path / "place", postgres, tmp_path / "keys") as made:
        yield made


@pytest.fixture
def same_place(engine, tmp_path, request):
    """An empty database of the same engine."""
    server = request.getfixturevalue("postgres") if engine == "postgresql" else None
    with empty_place(engine, tmp_path / "same", server, tmp_path / "keys") as made:
        yield made


@pytest.fixture(autouse=True)
def quick_keys(monkeypatch):
    """What a passphrase costs to guess is nothing these tests look at."""
    monkeypatch.setattr(sealing, "_COST", 2**10)


async def reported(running, device, **parts):
    body = device.report(**parts)
    await send_until_acknowledged(running.client, device, body)
    device.accept(body)


async def lived_in(running):
    """A device with something in tables of every kind of column: bytes, figures, truth values."""
    device = await enrolled(running.client, running.live_key)
    at = rfc3339()
    await reported(
        running,
        device,
        facts={"hostname": "käme\u2028ra", "hardware": {"gpu": None}},
        telemetry=[{"at": at, "cpu_percent": 12.75, "memory_percent": -0.0}],
        logs=[{"at": at, "service": "a", "severity": "info", "message": "'; DROP TABLE x --"}],
        events=[{"id": "e1", "at": at, "event": "agent.started", "metadata": {"n": 1}}],
    )
    now = to_ms(datetime.now(UTC))
    values = {"device_id": device.id, "at": now, "jpeg": bytes(range(256)) * 40}
    async with running.db.write() as tx:
        await tx.run(
            sa.text(
                "INSERT INTO stream_snapshots (device_id, stream_id, taken_at, command_id, jpeg) "
                "VALUES (:device_id, 's1', :at, 'c1', :jpeg)"
            ),
            values,
        )
    return device


async def asked(running, method, path, status=200, **body):
    answer = await running.client.request(method, path, json=body or None, headers=running.auth())
    assert answer.status_code == status, answer.text
    return answer.json()


async def test_a_backup_of_either_engine_is_restored_into_either(
    running, settings, place, same_place, tmp_path
):
    await lived_in(running)
    file = tmp_path / "copy.moorage"
    made = await backup(settings, file, passphrase=None)
    before = await contents(settings.database_url)
    for into in (place, same_place):
        done = await restore(into, file, passphrase=None)
        after = await contents(into.database_url)
        assert before.keys() == after.keys()
        for name in before.keys() - BEGINS_ANEW - {"alive_marks"}:
            assert before[name] == after[name], name
        assert before["config_revisions"] <= after["config_revisions"]
        assert not after["account_links"], "the link of the first start is void"
        assert made.manifest == done.manifest
    assert {part.table.name for part in made.manifest.tables} == before.keys()


async def test_a_backup_is_one_moment_while_reports_come_in(running, settings, place, tmp_path):
    """Each report is one ledger row, one line and one step of its epoch: all of it, or nothing."""
    devices = [await enrolled(running.client, running.live_key) for _ in range(3)]
    going = True

    async def live(device):
        while going:
            await reported(
                running,
                device,
                logs=[{"at": rfc3339(), "service": "a", "severity": "info", "message": "x" * 500}],
            )

    async with asyncio.TaskGroup() as group:
        lives = [group.create_task(live(device)) for device in devices]
        for number in range(3):
            await asyncio.sleep(0.05)
            await backup(settings, tmp_path / f"{number}", passphrase=None)
        going = False
        await asyncio.wait(lives)
    await restore(place, tmp_path / "1", passphrase=None)
    restored = open_for(place)
    async with restored.read() as tx:
        for device in devices:
            one = {"device": device.id}
            counts = [
                (await tx.row(sa.text(sql), one))[0]
                for sql in (
                    "SELECT sequence FROM report_epochs WHERE device_id = :device",
                    "SELECT count(*) FROM report_ledger WHERE device_id = :device",
                    "SELECT count(*) FROM log_lines WHERE device_id = :device",
                )
            ]
            assert len(set(counts)) == 1
            assert 0 < counts[0] <= device.sequence
    await restored.close()


async def test_the_file_gets_its_name_when_it_is_whole_and_is_its_owners_alone(
    running, settings, tmp_path, monkeypatch
):
    folder = tmp_path / "backups"
    folder.mkdir()
    names = []

    def look(file, passphrase):
        names.extend(path.name for path in folder.iterdir())
        assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in folder.iterdir())
        return verified(file, passphrase)

    verified = backing.verified
    monkeypatch.setattr(backing, "verified", look)
    await backup(settings, folder / "night", passphrase=None)
    assert names
    assert "night" not in names
    assert [path.name for path in folder.iterdir()] == ["night"]
    assert stat.S_IMODE((folder / "night").stat().st_mode) == 0o600
    with zipfile.ZipFile(folder / "night") as zipped:
        assert zipped.testzip() is None


async def test_a_backup_that_reads_back_wrong_leaves_nothing(
    running, settings, tmp_path, monkeypatch
):
    folder = tmp_path / "backups"
    folder.mkdir()

    def damage(file, passphrase):
        with zipfile.ZipFile(file) as zipped:
            largest = max(zipped.infolist(), key=lambda entry: entry.compress_size)
        raw = bytearray(file.read_bytes())
        raw[largest.header_offset + 30 + len(largest.filename) + largest.compress_size // 2] ^= 0xFF
        file.write_bytes(raw)
        return verified(file, passphrase)

    verified = backing.verified
    monkeypatch.setattr(backing, "verified", damage)
    await lived_in(running)
    with pytest.raises(StorageError):
        await backup(settings, folder / "night", passphrase=None)
    assert list(folder.iterdir()) == []


async def test_a_backup_killed_while_it_is_written_leaves_no_file_of_that_name(
    db, owner, database_url, tmp_path
):
    sender = await enrolled_here(db, owner)
    rows = [
        {"device_id": sender.id, "at": number, "id": number, "message": "x" * 200}
        for number in range(20_000)
    ]
    async with db.write() as tx:
        await tx.run(LINES, rows)
    folder = tmp_path / "backups"
    folder.mkdir()
    data = ("--data", str(tmp_path / "data"), "--database", database_url)
    command = ["backup", str(folder / "night"), *data]
    with (tmp_path / "said").open("ab+") as said:
        process = prestarted().spawn(command, clean_env(), [said.fileno()] * 3)
    async with asyncio.timeout(60):
        while not list(folder.glob(".*.partial")):
            assert process.poll() is None, (tmp_path / "said").read_text()
            await asyncio.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (folder / "night").exists()
    done = prestarted().run(command, clean_env())
    assert done.returncode == 0, done.stderr
    assert "found whole" in done.stdout


async def test_a_file_of_that_name_is_left_as_it_is(running, settings, tmp_path):
    file = tmp_path / "night"
    file.write_text("something else")
    with pytest.raises(StorageError, match="choose another name"):
        await backup(settings, file, passphrase=None)
    assert file.read_text() == "something else"


async def test_a_folder_that_is_not_there_is_said_so(running, settings, tmp_path):
    with pytest.raises(StorageError, match="No such file"):
        await backup(settings, tmp_path / "absent" / "night", passphrase=None)


@on_sqlite
async def test_a_damaged_backup_is_refused_wherever_the_damage_is(
    running, settings, same_place, tmp_path
):
    await lived_in(running)
    whole = tmp_path / "whole"
    await backup(settings, whole, passphrase=None)
    raw = whole.read_bytes()
    with zipfile.ZipFile(whole) as zipped:
        rows = zipped.getinfo("tables/stream_snapshots")
    for number, damaged in enumerate(
        (
            b"",
            raw[: len(raw) // 2],
            raw[: rows.header_offset + 80] + b"\x00\xff" + raw[rows.header_offset + 82 :],
            raw.replace(b"tables/telemetry_samples", b"tables/telemetry_sampled"),
        )
    ):
        file = tmp_path / f"damaged-{number}"
        file.write_bytes(damaged)
        with pytest.raises(StorageError, match="another backup"):
            await restore(same_place, file, passphrase=None)
    # Nothing stayed of the attempts: the place is still empty.
    await restore(same_place, whole, passphrase=None)


@on_sqlite
async def test_rows_that_are_not_those_counted_are_refused(running, settings, same_place, tmp_path):
    """A ZIP whose own checksums are right, made of another table's rows."""
    await lived_in(running)
    whole, changed = tmp_path / "whole", tmp_path / "changed"
    await backup(settings, whole, passphrase=None)
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(changed, "w") as new:
        for name in old.namelist():
            raw = old.read(name)
            new.writestr(name, raw.replace(b"DROP TABLE", b"KEEP TABLE"))
    with pytest.raises(StorageError, match="log_lines has 1 rows"):
        await restore(same_place, changed, passphrase=None)


async def test_a_database_that_holds_something_is_not_restored_into(
    running, settings, place, tmp_path
):
    file = tmp_path / "copy"
    await backup(settings, file, passphrase=None)
    before = await contents(settings.database_url)
    with pytest.raises(SetupError, match=r"already|not empty"):
        await restore(settings, file, passphrase=None)
    after = await contents(settings.database_url)
    assert before["audit_entries"] == after["audit_entries"]
    await restore(place, file, passphrase=None)
    with pytest.raises(SetupError, match=r"already|not empty"):
        await restore(place, file, passphrase=None)


@on_sqlite
async def test_the_log_of_an_earlier_database_is_not_taken_for_the_restored_ones(
    running, settings, tmp_path
):
    file = tmp_path / "copy"
    await backup(settings, file, passphrase=None)
    with empty_place("sqlite", tmp_path / "other", None, tmp_path / "keys") as other:
        (other.data / "db").mkdir(parents=True)
        (other.data / "db" / "moorage.db-wal").write_bytes(b"pages of another file")
        with pytest.raises(SetupError, match="move the folder"):
            await restore(other, file, passphrase=None)


@on_postgresql
async def test_a_day_that_was_cut_off_and_not_dropped_yet_is_left_out(
    running, settings, place, tmp_path
):
    async with running.db.write() as tx:
        await tx.run(sa.text("CREATE TABLE log_lines_20200101 (LIKE log_lines)"))
    made = await backup(settings, tmp_path / "copy", passphrase=None)
    names = {part.table.name for part in made.manifest.tables}
    assert "log_lines" in names
    assert not [name for name in names if name.startswith("log_lines_")]
    await restore(place, tmp_path / "copy", passphrase=None)


@on_sqlite
async def test_rows_of_days_that_the_other_engine_has_no_place_for_yet_are_given_one(
    running, settings, place, tmp_path
):
    """A database is restored on a machine whose clock is behind, or just before midnight."""
    device = await enrolled(running.client, running.live_key)
    ahead = [to_ms(datetime.now(UTC) + timedelta(days=days)) for days in (0, 1, 3)]
    async with running.db.write() as tx:
        for at in ahead:
            await tx.run(
                sa.text(
                    "INSERT INTO log_lines (device_id, at, id, received_at, service, severity, "
                    "message) VALUES (:device, :at, 1, :at, 'a', 'info', 'm')"
                ),
                {"device": device.id, "at": at},
            )
    await backup(settings, tmp_path / "copy", passphrase=None)
    await restore(place, tmp_path / "copy", passphrase=None)
    lines = (await contents(place.database_url))["log_lines"]
    assert sorted(row[1] for row in lines if row[0] == device.id) == ahead


@on_sqlite
async def test_a_backup_of_a_newer_release_is_refused(running, settings, same_place, tmp_path):
    async with running.db.write() as tx:
        await tx.run(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(NewerDatabase):
        await backup(settings, tmp_path / "newer", passphrase=None)
    async with running.db.write() as tx:
        await tx.run(sa.text("UPDATE alembic_version SET version_num = '0001'"))
    whole, newer = tmp_path / "whole", tmp_path / "newer"
    await backup(settings, whole, passphrase=None)
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(newer, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name).replace(b'"schema": "0001"', b'"schema": "9999"'))
    with pytest.raises(NewerDatabase, match="9999"):
        await restore(same_place, newer, passphrase=None)


# --- keys


@on_sqlite
async def test_keys_go_in_only_when_asked_for_and_only_under_a_passphrase(
    running, settings, tmp_path
):
    secrets = [(settings.keys_dir / name).read_bytes() for name in KEY_FILES]
    without, with_keys = tmp_path / "without", tmp_path / "with"
    await backup(settings, without, passphrase=None)
    await backup(settings, with_keys, passphrase=PASSPHRASE)
    with zipfile.ZipFile(without) as zipped:
        assert "keys.json" not in zipped.namelist()
    with zipfile.ZipFile(with_keys) as zipped:
        told = b"".join(zipped.read(name) for name in zipped.namelist())
    for secret in secrets:
        assert secret not in told
        assert secret.splitlines()[len(secret.splitlines()) // 2] not in told
    assert PASSPHRASE.encode() not in told


@on_sqlite
async def test_keys_come_back_as_they_were_and_the_server_starts_with_them(
    running, settings, tmp_path
):
    file = tmp_path / "with"
    await backup(settings, file, passphrase=PASSPHRASE)
    with empty_place("sqlite", tmp_path / "place", None, tmp_path / "new keys") as place:
        with pytest.raises(StorageError, match="passphrase does not open"):
            await restore(place, file, passphrase="another passphrase")
        assert not (place.data / "db" / "moorage.db").exists()
        done = await restore(place, file, passphrase=PASSPHRASE)
        assert done.keys == "restored"
        for name in KEY_FILES:
            path = place.keys_dir / name
            assert path.read_bytes() == (settings.keys_dir / name).read_bytes()
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
        from moorage.server.opening import opened  # noqa: PLC0415 - what a start does

        async with opened(place):
            pass


@on_sqlite
async def test_keys_of_another_server_are_not_overwritten(running, settings, tmp_path):
    file = tmp_path / "with"
    await backup(settings, file, passphrase=PASSPHRASE)
    from moorage.server.keyring import open_keyring  # noqa: PLC0415 - used here alone

    foreign = tmp_path / "foreign"
    open_keyring(foreign, create=True)
    kept = [(foreign / name).read_bytes() for name in KEY_FILES]
    with empty_place("sqlite", tmp_path / "place", None, foreign) as place:
        with pytest.raises(SetupError, match="not those the backup belongs to"):
            await restore(place, file, passphrase=PASSPHRASE)
        assert tables_of_folder(place) == []
    assert [(foreign / name).read_bytes() for name in KEY_FILES] == kept


def tables_of_folder(place):
    path = place.data / "db" / "moorage.db"
    return tables_in(path) if path.exists() else []


def test_a_sealed_key_cannot_ask_for_the_machines_memory():
    sealed = sealing.seal({"a": b"b"}, PASSPHRASE)
    greedy = sealed.replace(b'"n":1024', b'"n":1073741824')
    assert greedy != sealed
    with pytest.raises(archive.ArchiveError, match="does not know"):
        sealing.unseal(greedy, PASSPHRASE)


# --- what a restored server begins anew


async def test_what_could_be_spent_twice_is_void_after_a_restore(
    running, settings, place, tmp_path
):
    made = await asked(running, "POST", "/v1/devices", 201, name="unspent")
    once = await asked(running, "POST", "/v1/provisioning-tokens", 201, name="a", max_uses=1)
    many = await asked(running, "POST", "/v1/provisioning-tokens", 201, name="b", max_uses=5)
    await backup(settings, tmp_path / "copy", passphrase=None)
    done = await restore(place, tmp_path / "copy", passphrase=None)
    assert done.tokens == 2
    restored = open_for(place)
    async with restored.read() as tx:
        standing = [
            row.id
            for row in await tx.rows(
                sa.text("SELECT id FROM provisioning_tokens WHERE revoked_at IS NULL")
            )
        ]
        unspent = await tx.rows(sa.text("SELECT id FROM install_tokens WHERE spent_at IS NULL"))
    await restored.close()
    assert made["install_token"]
    assert standing == [many["id"]]
    assert once["id"] not in standing
    assert unspent == []


async def test_revision_numbers_are_never_used_for_another_document(
    running, settings, place, tmp_path
):
    device = await enrolled(running.client, running.live_key)
    path = f"/v1/devices/{device.id}/config"
    await asked(running, "PATCH", path, config={"x-color": "red"})
    await backup(settings, tmp_path / "copy", passphrase=None)
    lost = await asked(running, "PATCH", path, config={"x-color": "blue"})
    first = await restore(place, tmp_path / "copy", passphrase=None)
    assert first.revision > lost["revision"]
    restored = open_for(place)
    async with restored.read() as tx:
        rows = await tx.rows(
            sa.text("SELECT revision, digest FROM config_revisions ORDER BY revision DESC")
        )
        state = await tx.row(sa.text("SELECT revision FROM config_states"))
        told = await tx.rows(
            sa.text("SELECT action FROM audit_entries WHERE action = 'server.restored'")
        )
    await restored.close()
    assert [row.revision for row in rows] == [first.revision, lost["revision"] - 1, 1]
    assert state.revision == first.revision
    assert rows[0].digest == rows[1].digest, "the same document under the new number"
    assert len(told) == 1

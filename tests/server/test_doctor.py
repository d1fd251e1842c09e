"""What doctor finds, what it says, and that it only looks."""

import json
import os
import sqlite3
import time
from pathlib import Path

import pytest

from moorage.server import doctor, load_settings
from moorage.server.doctor import Outcome
from moorage.storage.sizes import Size
from support.certificates import write_certificate
from support.portainer import FakePortainer, Fault
from support.prestarted import prestarted


@pytest.fixture(autouse=True)
def _nothing_from_outside(monkeypatch):
    for name in [name for name in os.environ if name.startswith("MOORAGE_")]:
        monkeypatch.delenv(name)


def moorage(*arguments, env: dict[str, str] | None = None):
    """Run a command with no settings but those given."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MOORAGE_")}
    return prestarted().run([str(one) for one in arguments], {**clean, **(env or {})})


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A data folder that was served from."""
    folder = tmp_path_factory.mktemp("made") / "data"
    assert moorage("bootstrap", "--workspace", "acme", "--data", folder).returncode == 0
    return folder


async def findings(data, **settings) -> dict[str, doctor.Finding]:
    found = await doctor.examine(load_settings(data=data, **settings))
    assert len({one.subject for one in found}) == len(found)
    return {one.subject: one for one in found}


async def about(data, subject: str, **settings) -> doctor.Finding:
    """The one finding whose subject begins so."""
    found = await findings(data, **settings)
    (one,) = [one for name, one in found.items() if name.startswith(subject)]
    return one


def listing(folder) -> list[tuple[str, int, bytes]]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return [(str(path), path.stat().st_mode, path.read_bytes()) for path in paths]


async def test_all_is_well_with_a_server_as_it_was_made(made):
    assert {one.outcome for one in (await findings(made)).values()} == {Outcome.OK}


def test_it_prints_a_word_a_thing_or_json_and_changes_nothing(made):
    before = listing(made)
    lines = moorage("doctor", "--data", made)
    told = moorage("doctor", "--json", "--data", made)
    assert lines.returncode == told.returncode == 0
    assert {line[:6] for line in lines.stdout.splitlines()} == {"ok    "}
    answer = json.loads(told.stdout)
    assert answer["ok"] is True
    assert [one["outcome"] for one in answer["findings"]] == ["ok"] * len(lines.stdout.splitlines())
    assert listing(made) == before


def test_an_error_ends_it_with_1_and_a_warning_with_0(made):
    key = made / "keys" / "encryption.key"
    for mode, word, code in ((0o640, "warn", 0), (0o604, "FAIL", 1), (0o600, "ok  ", 0)):
        key.chmod(mode)
        done = moorage("doctor", "--data", made)
        (line,) = [line for line in done.stdout.splitlines() if "encryption.key" in line]
        assert (line[:4], done.returncode) == (word, code)
        assert json.loads(moorage("doctor", "--json", "--data", made).stdout)["ok"] is (code == 0)


async def test_a_folder_others_can_look_into_is_a_warning(made):
    made.chmod(0o755)
    try:
        found = await about(made, "data folder")
    finally:
        made.chmod(0o700)
    assert (found.outcome, f"chmod 700 {made}" in found.detail) == (Outcome.WARNING, True)


async def test_a_full_disk_is_an_error(made, monkeypatch):
    monkeypatch.setattr(doctor, "_LEAST_FREE_BYTES", 1 << 62)
    assert (await about(made, "data folder")).outcome is Outcome.ERROR


async def test_keys_of_another_database_are_an_error(made, tmp_path):
    other = tmp_path / "other"
    assert moorage("bootstrap", "--workspace", "b", "--data", other).returncode == 0
    found = await about(made, "database and keys", keys_dir=other / "keys")
    assert found.outcome is Outcome.ERROR
    assert "not the one this database was made with" in found.detail


async def test_a_database_of_a_newer_release_is_an_error(tmp_path):
    data = tmp_path / "data"
    assert moorage("bootstrap", "--workspace", "b", "--data", data).returncode == 0
    with sqlite3.connect(data / "db" / "moorage.db") as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    found = await about(data, "database")
    assert (found.outcome, "newer release" in found.detail) == (Outcome.ERROR, True)


@pytest.mark.parametrize(
    "address", ["postgresql://u:hunter2@127.0.0.1:1/x", "mysql://u:hunter2@h/x"]
)
async def test_a_database_that_cannot_be_had_is_an_error_without_its_password(
    made, tmp_path, address
):
    found = await about(made, "database", database=address, keys_dir=made / "keys")
    assert found.outcome is Outcome.ERROR
    done = moorage(
        "doctor", "--data", made, env={"MOORAGE_DATABASE": address, "MOORAGE_KEYS_DIR": str(made)}
    )
    assert done.returncode == 1
    assert "hunter2" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


async def test_an_empty_postgresql_database_is_fine_and_stays_empty(made, postgres):
    postgres.run_sql("CREATE DATABASE empty_for_doctor")
    url = postgres.url("empty_for_doctor")
    found = await about(made, "the database", database=url, keys_dir=made / "keys")
    assert found.outcome is Outcome.OK
    assert "empty" in found.subject
    tables = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'"
    assert postgres.run_sql(tables, "empty_for_doctor").strip() == "0"


async def test_a_clock_before_the_release_is_an_error(made):
    (found,) = doctor._clock(doctor.datetime.fromtimestamp(0, doctor.UTC))
    assert (found.outcome, found.subject) == (Outcome.ERROR, "clock")


@pytest.mark.parametrize(
    ("settings", "outcome"),
    [
        ({"public_url": "https://fleet.example.com"}, Outcome.OK),
        ({"public_url": "http://fleet.example.com"}, Outcome.WARNING),
        ({"public_url": "http://127.0.0.1:8400"}, Outcome.OK),
        ({"public_url": "https://localhost", "host": "0.0.0.0"}, Outcome.WARNING),
        ({"host": "0.0.0.0"}, Outcome.WARNING),
    ],
)
async def test_how_devices_reach_the_server_is_looked_at(made, settings, outcome):
    assert (await about(made, "public_url", **settings)).outcome is outcome


async def test_encryption_is_a_certificates_or_a_proxys_or_missing(made, tmp_path):
    cert, key = write_certificate(tmp_path)
    own = await findings(made, host="0.0.0.0", tls_cert=cert, tls_key=key)
    # It is good for one more day.
    assert own[f"certificate {cert}"].outcome is Outcome.WARNING
    assert (await about(made, "encryption", host="0.0.0.0")).outcome is Outcome.ERROR
    proxied = await about(made, "encryption is left", host="0.0.0.0", trusted_proxies="10.0.0.1")
    assert proxied.outcome is Outcome.OK
    assert (await about(made, "encryption", tls_cert=cert)).outcome is Outcome.ERROR
    mixed = {"tls_cert": cert, "tls_key": made / "keys" / "signing.pem"}
    assert (await about(made, "encryption", **mixed)).outcome is Outcome.ERROR


async def test_portainer_is_asked_whether_it_answers_and_knows_the_token(made):
    async with FakePortainer() as fake:
        portainer = {"url": fake.url, "api_key": fake.api_key, "device_url": "https://p.example"}

        async def found(**more):
            return await about(made, "Portainer at", portainer=portainer | more)

        assert (await found()).outcome is Outcome.OK
        assert fake.rows == {}
        refused = await found(api_key="ptr_wrong")
        assert (refused.outcome, "MOORAGE_PORTAINER__API_KEY" in refused.detail) == (
            Outcome.WARNING,
            True,
        )
        fake.fault = Fault.ERROR
        assert (await found()).outcome is Outcome.WARNING
        assert (await found(required=True)).outcome is Outcome.ERROR
        fake.fault = None
    assert "cannot be reached" in (await found()).detail


async def test_a_portainer_whose_token_could_be_taken_on_the_way_is_a_warning(made):
    for risky in ({"url": "http://p.invalid"}, {"url": "https://p.invalid", "verify": False}):
        portainer = {"api_key": "ptr_x", **risky}
        found = await about(made, "encryption towards", portainer=portainer)
        assert found.outcome is Outcome.WARNING


async def test_a_portainer_devices_cannot_reach_is_a_warning(made):
    portainer = {"api_key": "ptr_x", "url": "http://127.0.0.1:1"}
    found = await about(made, "Portainer for devices", portainer=portainer)
    assert (found.outcome, "device_url" in found.detail) == (Outcome.WARNING, True)


def test_it_says_so_when_portainers_certificates_cannot_be_used(made, tmp_path):
    env = {
        "MOORAGE_PORTAINER__URL": "https://p.invalid",
        "MOORAGE_PORTAINER__API_KEY": "ptr_hunter2hunter2",
        "MOORAGE_PORTAINER__CA_BUNDLE": str(tmp_path / "absent.pem"),
    }
    done = moorage("doctor", "--data", made, env=env)
    assert done.returncode == 1
    assert "portainer.ca_bundle" in done.stdout
    assert "hunter2" not in done.stdout + done.stderr


@pytest.fixture
def grown(tmp_path):
    """A server's data folder, and how to say how large its database was on the last days."""
    data = tmp_path / "data"
    assert moorage("bootstrap", "--workspace", "g", "--data", data).returncode == 0

    def sizes(*mib: float) -> Path:
        now = int(time.time() * 1000)
        with sqlite3.connect(data / "db" / "moorage.db") as database:
            database.execute("DELETE FROM storage_sizes")
            for n, size in enumerate(reversed(mib)):
                row = (1000 - n, now - n * 86_400_000, int(size * 1024 * 1024))
                database.execute("INSERT INTO storage_sizes VALUES (?, ?, ?)", row)
        return data

    return sizes


async def test_when_it_will_be_full_is_told_once_it_can_be_known(grown):
    budget = {"budget_bytes": 100 * 1024 * 1024}
    found = await about(grown(1, 2), "the database uses", storage=budget)
    assert (found.outcome, "2 of 3 days" in found.subject) == (Outcome.OK, True)
    found = await about(grown(1, 2, 3), "the database uses", storage=budget)
    assert (found.outcome, "+1.0 MiB a day; full in 9" in found.subject) == (Outcome.OK, True)
    found = await about(grown(1, 11, 21), "the database uses", storage=budget)
    assert found.outcome is Outcome.WARNING
    assert found.detail.startswith("full in 9 days at +10.0 MiB a day")
    found = await about(grown(3, 3, 3), "the database uses", storage=budget)
    assert "it will not be full in years" in found.subject


async def test_a_database_that_refuses_telemetry_and_logs_is_an_error(grown, monkeypatch):
    monkeypatch.setattr(doctor, "measure", _large)
    found = await about(grown(), "the database uses", storage={"budget_bytes": 32 * 1024 * 1024})
    assert found.outcome is Outcome.ERROR
    assert "telemetry and logs are refused" in found.detail


async def _large(_db):
    return Size(31 * 1024 * 1024)

"""Commands beside a server, and what they say when the server is not set up right."""

import json
import stat

import httpx
import pytest

from server.commands import moorage, sentence_of
from support.server import ServerProcess


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    process = ServerProcess(tmp_path_factory.mktemp("server")).start()
    yield process
    assert process.stop() == 0


def test_bootstrap_beside_a_running_server_gives_keys_that_work_at_once(server):
    made = server.bootstrap("acme", "deviceAio")
    for name, live in (("api_key", True), ("test_api_key", False)):
        headers = {"Authorization": f"Bearer {made[name]}"}
        answer = httpx.post(f"{server.base_url}/v1/devices", json={"name": "a"}, headers=headers)
        assert answer.json()["live_mode"] is live


def test_bootstrap_again_finds_the_same_workspace_and_makes_fresh_keys(server):
    first, again = server.bootstrap("twice"), server.bootstrap("twice")
    assert first["workspace"] == again["workspace"]
    assert first["api_key"] != again["api_key"]
    for made in (first, again):
        headers = {"Authorization": f"Bearer {made['api_key']}"}
        assert httpx.get(f"{server.base_url}/v1/devices", headers=headers).status_code == 200


def test_bootstrap_json_prints_json_and_nothing_else(tmp_path):
    done = moorage("bootstrap", "--workspace", "acme", "--json", "--data", tmp_path / "new")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    made = json.loads(done.stdout)
    assert made["workspace"]["slug"] == "acme"
    assert made["api_key"].startswith("sk_live_")
    assert made["test_api_key"].startswith("sk_test_")


def test_bootstrap_refuses_a_slug_that_cannot_be(server):
    done = moorage("bootstrap", "--workspace=v1", "--json", "--data", server.folder / "data")
    assert "slug" in sentence_of(done)
    assert done.stdout == ""


def test_bootstrap_refuses_a_feature_there_is_not(server):
    done = moorage(
        *("bootstrap", "--workspace", "acme", "--feature", "flying"),
        *("--data", server.folder / "data"),
    )
    assert "'flying'" in sentence_of(done)


def test_migrate_makes_an_empty_database_and_then_has_nothing_to_do(tmp_path):
    first = moorage("migrate", "--data", tmp_path)
    again = moorage("migrate", "--data", tmp_path)
    assert first.returncode == again.returncode == 0, first.stderr
    assert first.stdout.startswith("schema version none -> ")
    version = first.stdout.split()[-1]
    assert again.stdout == f"schema version {version} -> {version}\n"
    assert stat.S_IMODE((tmp_path / "db").stat().st_mode) == 0o700


def test_doctor_finds_a_good_server_good(server):
    done = moorage("doctor", "--data", server.folder / "data")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "FAIL" not in done.stdout
    assert done.stdout.count("ok  ") >= 4


def test_doctor_says_what_is_missing_and_exits_1_and_makes_nothing(tmp_path):
    data = tmp_path / "data"
    done = moorage("doctor", "--data", data, env={"MOORAGE_HOST": "0.0.0.0"})
    assert done.returncode == 1
    assert "FAIL  encryption" in done.stdout
    assert not data.exists()


def test_doctor_finds_keys_that_are_gone(tmp_path):
    assert moorage("bootstrap", "--workspace", "acme", "--data", tmp_path).returncode == 0
    (tmp_path / "keys").rename(tmp_path / "lost")
    done = moorage("doctor", "--data", tmp_path)
    assert done.returncode == 1
    assert "FAIL  database and keys" in done.stdout
    assert "missing" in done.stdout
    assert "Traceback" not in done.stderr


WRONG = {
    "postgresql without keys_dir": (
        {"MOORAGE_DATABASE": "postgresql://u:hunter2@127.0.0.1:1/x"},
        None,
    ),
    "another kind of database": (
        {"MOORAGE_DATABASE": "mysql://u:hunter2@127.0.0.1/x"},
        "postgresql://",
    ),
    "no address at all": ({"MOORAGE_DATABASE": "hunter2"}, None),
    "certificate without key": ({"MOORAGE_TLS_CERT": "/nowhere/cert.pem"}, "tls_key"),
    "certificate that is not there": (
        {"MOORAGE_TLS_CERT": "/nowhere/cert.pem", "MOORAGE_TLS_KEY": "/nowhere/key.pem"},
        "/nowhere/cert.pem",
    ),
    "host that is none": ({"MOORAGE_HOST": "256.0.0.1"}, "256.0.0.1"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_server_set_up_wrong_says_what_to_do_and_exits_1(tmp_path, name):
    env, words = WRONG[name]
    done = moorage("serve", "--port", "0", "--data", tmp_path / "data", env=env)
    said = sentence_of(done)
    assert "hunter2" not in done.stdout + done.stderr
    if words is not None:
        assert words in said


async def test_postgresql_without_a_named_keys_folder_is_refused(
    postgres_template, postgres, tmp_path
):
    env = {"MOORAGE_DATABASE": postgres.url(postgres_template)}
    for command in (("bootstrap", "--workspace", "acme"), ("serve", "--port", "0")):
        done = moorage(*command, "--data", tmp_path / "data", env=env)
        assert "MOORAGE_KEYS_DIR" in sentence_of(done)


def test_a_data_folder_that_cannot_be_made_is_said_so(tmp_path):
    (tmp_path / "file").write_text("")
    done = moorage("serve", "--port", "0", "--data", tmp_path / "file" / "data")
    assert "--data" in sentence_of(done)

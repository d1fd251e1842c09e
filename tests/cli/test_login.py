"""Where a key comes from, where it is kept, and where it never goes."""

import json
import re
import stat

import httpx
import pytest

from support.devices import sha256


def profiles_of(cli):
    return cli.home / "config" / "moorage" / "profiles.json"


def test_a_key_from_standard_input_is_kept_for_its_owner_only(anonymous):
    done = anonymous.run("login", anonymous.url, "--key-stdin", stdin=anonymous.key + "\n")
    assert done.returncode == 0, done.stderr
    assert anonymous.key not in done.stdout + done.stderr
    kept = profiles_of(anonymous)
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    assert json.loads(kept.read_text())["profiles"]["default"]["key"] == anonymous.key
    assert [path.name for path in kept.parent.iterdir()] == ["profiles.json"]
    assert anonymous.json("device", "list") == []


def test_a_key_and_address_from_the_environment_are_checked_and_kept(anonymous):
    anonymous.env = {"MOORAGE_URL": anonymous.url, "MOORAGE_API_KEY": anonymous.key}
    assert anonymous.json("login")["url"] == anonymous.url
    anonymous.env = {}
    assert anonymous.json("device", "list") == []


@pytest.mark.parametrize(
    "key", ["sk_live_" + "0" * 48, "nonsense", "inst_" + "a" * 48], ids=lambda key: key[:8]
)
def test_a_key_the_server_does_not_know_is_not_kept(anonymous, key):
    said = anonymous.refused(4, "login", anonymous.url, "--key-stdin", stdin=key)
    assert key not in said
    assert not profiles_of(anonymous).exists()


def test_a_device_key_is_not_for_owners(anonymous):
    auth = {"Authorization": f"Bearer {anonymous.key}"}
    made = httpx.post(f"{anonymous.url}/v1/devices", json={"name": "d"}, headers=auth).json()
    token = {"install_token": made["install_token"]}
    enrolled = httpx.post(f"{anonymous.url}/v1/enroll", json=token).json()
    said = anonymous.refused(4, "login", anonymous.url, "--key-stdin", stdin=enrolled["device_key"])
    assert "sk_" in said
    assert not profiles_of(anonymous).exists()


def test_a_key_without_the_right_to_list_is_kept_with_a_remark(anonymous):
    auth = {"Authorization": f"Bearer {anonymous.key}"}
    body = {"name": "narrow", "scopes": ["audit:read"]}
    narrow = httpx.post(f"{anonymous.url}/v1/api-keys", json=body, headers=auth).json()["key"]
    done = anonymous.run("login", anonymous.url, "--key-stdin", stdin=narrow)
    assert done.returncode == 0
    assert "device:read" in done.stderr
    assert "device:read" in anonymous.refused(4, "device", "list")


def test_profiles_are_kept_apart(anonymous, server):
    anonymous.login()
    other = server.bootstrap("login-other")
    anonymous.key = other["api_key"]
    anonymous.login("--profile", "other")
    anonymous.ok("device", "create", "elsewhere", "--profile", "other")
    assert [d["name"] for d in anonymous.json("device", "list", "--profile", "other")] == [
        "elsewhere"
    ]
    assert "elsewhere" not in anonymous.ok("device", "list")
    anonymous.env = {"MOORAGE_PROFILE": "other"}
    assert "elsewhere" in anonymous.ok("device", "list")
    anonymous.env = {}
    listed = anonymous.ok("profiles")
    assert re.findall(r"^(\w+)\t", listed, re.MULTILINE) == ["profile", "default", "other"]
    assert "sk_" not in listed
    anonymous.ok("logout", "--profile", "other")
    said = anonymous.refused(4, "device", "list", "--profile", "other")
    assert "moorage login --profile other" in said
    assert anonymous.json("device", "list") is not None


def test_without_a_login_a_command_says_how_to_log_in(anonymous):
    assert "moorage login" in anonymous.refused(4, "device", "list")


def test_a_file_of_keys_that_others_can_read_is_refused(cli):
    profiles_of(cli).chmod(0o644)
    assert "chmod 600" in cli.refused(1, "device", "list")


def test_a_key_never_goes_to_an_address_it_was_not_given_with(cli):
    for half in ({"MOORAGE_URL": "http://127.0.0.1:9"}, {"MOORAGE_API_KEY": cli.key}):
        cli.env = half
        assert "MOORAGE_API_KEY" in cli.refused(2, "device", "list")


@pytest.mark.parametrize(
    "url",
    ["fleet.example.com", "ftp://fleet.example.com", "http://user:hunter2@127.0.0.1", "http://"],
)
def test_an_address_that_cannot_be_is_refused_before_anything_is_sent(anonymous, url):
    said = anonymous.refused(2, "login", url, "--key-stdin", stdin=anonymous.key)
    assert "hunter2" not in said
    assert anonymous.key not in said


def test_an_address_where_nobody_answers_ends_in_a_sentence(anonymous):
    said = anonymous.refused(1, "login", "http://127.0.0.1:1", "--key-stdin", stdin=anonymous.key)
    assert anonymous.key not in said
    assert not profiles_of(anonymous).exists()


def test_a_key_is_in_no_output_of_a_command_that_does_not_make_it(cli):
    cli.ok("device", "create", "quiet")
    for arguments in (("device", "list"), ("device", "get", "quiet"), ("profiles",)):
        for extra in ((), ("--json",)):
            done = cli.run(*arguments, *extra)
            assert cli.key not in done.stdout + done.stderr
            assert sha256(cli.key) not in done.stdout + done.stderr

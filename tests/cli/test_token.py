"""Provisioning tokens made, listed, ended; told apart from the install token of one device."""

import re
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from cli.devices import asked, made
from moorage.cli.owner.tokens import state_of
from moorage.sdk import ProvisioningToken
from sdk.wire import LOSE, Refuse, Wire


def enrol(cli, token: str, hardware: str) -> httpx.Response:
    body = {"provisioning_token": token, "device": {"device_id": hardware, "name": hardware}}
    return httpx.post(f"{cli.url}/v1/enroll", json=body)


def there(cli, token_id: str):
    return asked(cli, f"provisioning-tokens/{token_id}")


def test_a_provisioning_token_made_is_what_was_said_and_devices_enrol_with_it(cli):
    token = cli.json(
        *("token", "create", "line 2", "--max-uses", "2", "--expires-in", "7d"),
        *("--tag", "site=7", "--tag", "lab", "--type", "camera", "--policy", "new"),
    )
    kept = there(cli, token["id"])
    assert (kept["name"], kept["max_uses"], kept["policy"]) == ("line 2", 2, "new")
    assert (kept["type"], sorted(kept["tags"])) == ("camera", ["lab", "site=7"])
    first = enrol(cli, token["token"], "hw-line-1")
    assert first.status_code == 200, first.text
    device = asked(cli, f"devices/{first.json()['device_id']}")
    assert (device["type"], sorted(device["tags"])) == ("camera", ["lab", "site=7"])
    assert enrol(cli, token["token"], "hw-line-2").status_code == 200
    assert enrol(cli, token["token"], "hw-line-3").status_code == 401


@pytest.mark.parametrize(
    ("options", "max_uses"),
    [
        (("--single-use",), 1),
        (("--max-uses", "50"), 50),
        (("--unlimited",), None),
        (("--tag", "lab"), None),
        (("--policy", "replace", "--single-use"), 1),
    ],
    ids=["single use", "so many", "unlimited", "a tag", "replace"],
)
def test_how_many_devices_a_token_is_for_is_as_said(cli, options, max_uses):
    token = cli.json("token", "create", "counted", *options)
    assert there(cli, token["id"])["max_uses"] == max_uses


@pytest.mark.parametrize("span", ["never", "2h", None])
def test_a_token_lives_as_long_as_was_said(cli, span):
    option = ("--expires-in", span) if span else ()
    kept = there(cli, cli.json("token", "create", "lives", "--unlimited", *option)["id"])
    assert (kept["expires_at"] is None) == (span == "never")


def test_for_people_the_text_is_alone_on_its_line_and_shown_this_once(cli):
    done = cli.run("token", "create", "once", "--single-use")
    assert done.returncode == 0
    text, *_ = done.stdout.splitlines()
    assert re.fullmatch(r"apt_\w+", text)
    (line,) = [line.strip() for line in done.stdout.splitlines() if "curl " in line]
    assert "/setup | " in line
    assert line.endswith(text)
    assert text not in done.stderr
    for later in (("list",), ("list", "--json"), ("show", "once"), ("show", "once", "--json")):
        assert text not in cli.ok("token", *later)
    assert text not in cli.ok("audit", "--json")


def test_the_line_is_the_servers_and_only_else_made_of_the_address_logged_in_to(cli):
    answer = asked(cli, "provisioning-tokens", "POST", {"name": "elsewhere"})
    token = answer["token"]
    theirs = f"curl -fsSL https://fleet.example.com/setup | sudo sh -s -- {token}"
    # Proxies write addresses down, so a line with the token in one is no line to paste.
    leaky = f"curl -fsSL https://fleet.example.com/devices/v2/{token}/install.sh | sh"
    for setup, install, wanted in (
        (theirs, None, theirs),
        (theirs, leaky, theirs),
        (None, theirs, theirs),
        (None, leaky, None),
        (None, None, None),
    ):
        told = {**answer, "setup_command": setup, "install_command": install}
        with Wire(cli.url) as wire:
            body = httpx.Response(201, json=told).content
            wire.plan.append(Refuse(201, {"Content-Type": "application/json"}, body))
            cli.env = {"MOORAGE_URL": wire.url, "MOORAGE_API_KEY": cli.key}
            shown = cli.json("token", "create", "elsewhere", "--unlimited")["setup_command"]
        assert shown == (wanted or f"curl -fsSL {wire.url}/setup | sudo sh -s -- {token}")


def test_a_token_whose_text_was_lost_on_the_way_is_said_to_be_so(cli):
    with Wire(cli.url) as wire:
        wire.plan.append(LOSE)
        cli.env = {"MOORAGE_URL": wire.url, "MOORAGE_API_KEY": cli.key}
        said = cli.refused(1, "token", "create", "lost", "--unlimited")
    (lost,) = [one for one in asked(cli, "provisioning-tokens")["data"] if one["name"] == "lost"]
    assert lost["id"] in said


def test_without_a_word_of_many_devices_the_token_is_for_the_device_of_that_name(cli):
    box = made(cli, "one box")
    token = cli.json("token", "create", "one box")
    again = httpx.post(f"{cli.url}/v1/enroll", json={"install_token": token["install_token"]})
    assert again.json()["device_id"] == box.id


def test_a_name_that_is_no_device_is_refused_and_makes_no_token(cli):
    before = asked(cli, "provisioning-tokens")
    assert "--unlimited" in cli.refused(3, "token", "create", "no such box")
    made(cli, "box for ever")
    assert "30 days" in cli.refused(2, "token", "create", "box for ever", "--expires-in", "never")
    assert asked(cli, "provisioning-tokens") == before


@pytest.mark.parametrize(
    "options",
    [
        ("--single-use", "--max-uses", "2"),
        ("--unlimited", "--single-use"),
        ("--max-uses", "0"),
        ("--policy", "perhaps"),
        ("--policy", "replace"),
        ("--unlimited", "--expires-in", "4000d"),
        ("--unlimited", "--expires-in", "soon"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_is_exit_2(cli, options):
    done = cli.run("token", "create", "cannot be", *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert "cannot be" not in [one["name"] for one in asked(cli, "provisioning-tokens")["data"]]


def test_a_dry_run_makes_no_token_and_ends_none(cli):
    shown = cli.json(
        "token",
        "create",
        "ghost",
        "--max-uses",
        "3",
        "--tag",
        "t",
        "--expires-in",
        "1h",
        "--dry-run",
    )
    assert (shown["before"], shown["after"]["max_uses"]) == (None, 3)
    assert shown["after"]["expires_in_s"] == 3600
    assert "ghost" not in cli.ok("token", "list")
    token = cli.json("token", "create", "stays", "--unlimited")
    cli.ok("token", "revoke", "stays", "--dry-run")
    assert there(cli, token["id"])["revoked_at"] is None


def test_the_list_says_how_often_each_was_used_and_whether_it_still_can_be(cli):
    single = cli.json("token", "create", "spent", "--single-use")
    many = cli.json("token", "create", "open", "--unlimited", "--expires-in", "never")
    ended = cli.json("token", "create", "ended", "--max-uses", "5")
    for n in range(3):
        assert enrol(cli, many["token"], f"hw-open-{n}").status_code == 200
    assert enrol(cli, single["token"], "hw-spent").status_code == 200
    asked(cli, f"provisioning-tokens/{ended['id']}", "DELETE")

    head, *rows = [line.split("\t") for line in cli.ok("token", "list").splitlines()]
    shown = {row[0]: dict(zip(head, row, strict=True)) for row in rows}
    assert (shown[single["id"]]["uses"], shown[single["id"]]["state"]) == ("1/1", "used up")
    assert (shown[many["id"]]["uses"], shown[many["id"]]["state"]) == ("3/∞", "usable")
    assert (shown[ended["id"]]["uses"], shown[ended["id"]]["state"]) == ("0/5", "revoked")
    assert shown[many["id"]]["expires"] == "never"
    assert shown[many["id"]]["last used"]
    assert not shown[ended["id"]]["last used"]
    usable = {one["id"]: one["state"] for one in cli.json("token", "list", "--usable")}
    assert usable[many["id"]] == "usable"
    assert not {single["id"], ended["id"]} & usable.keys()


def test_a_token_too_old_is_expired_whatever_is_left_of_it():
    created = datetime(2026, 1, 1, tzinfo=UTC)
    token = ProvisioningToken(
        id="1",
        name="old",
        live_mode=True,
        policy="reject",
        max_uses=5,
        use_count=0,
        created_at=created,
        created_by="key:key_1",
        expires_at=created + timedelta(hours=1),
    )
    assert state_of(token, created + timedelta(minutes=59)) == "usable"
    assert state_of(token, created + timedelta(hours=1)) == "expired"


def test_a_token_is_shown_by_id_and_by_a_name_only_it_has(cli):
    token = cli.json("token", "create", "shown", "--max-uses", "7", "--tag", "a")
    for named in (token["id"], "shown"):
        assert cli.json("token", "show", named)["id"] == token["id"]
    assert "0/7" in cli.ok("token", "show", "shown")
    cli.refused(3, "token", "show", "nowhere")
    cli.refused(3, "token", "show", "00000000-0000-0000-0000-000000000000")
    twin = cli.json("token", "create", "shown", "--unlimited")
    said = cli.refused(2, "token", "show", "shown")
    assert token["id"] in said
    assert twin["id"] in said


def test_a_token_is_revoked_only_with_a_yes_and_then_at_once(cli):
    token = cli.json("token", "create", "over", "--unlimited")
    assert "--yes" in cli.refused(2, "token", "revoke", "over")
    enrolled = enrol(cli, token["token"], "hw-over-1")
    assert enrolled.status_code == 200
    assert cli.json("token", "revoke", "over", "--yes")["state"] == "revoked"
    assert enrol(cli, token["token"], "hw-over-2").status_code == 401
    device = enrolled.json()["device_id"]
    assert asked(cli, f"devices/{device}")["id"] == device
    cli.refused(3, "token", "revoke", "over", "--yes")
    assert cli.json("token", "show", token["id"])["state"] == "revoked"


def test_a_text_given_for_an_id_is_not_repeated(cli):
    token = cli.json("token", "create", "text", "--unlimited")["token"]
    said = cli.refused(2, "token", "revoke", token, "--yes")
    assert token not in said
    assert token[4:] not in said


def test_a_key_without_the_scope_is_exit_4(cli):
    narrow = asked(cli, "api-keys", "POST", {"name": "narrow", "scopes": ["token:read"]})
    cli.key = narrow["key"]
    cli.login()
    assert cli.json("token", "list") is not None
    assert "token:write" in cli.refused(4, "token", "create", "x", "--unlimited")

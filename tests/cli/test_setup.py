"""Setting a device up: what was tried, a payload for one without a network, another key."""

import json
import stat
import xml.etree.ElementTree as ET

import httpx
import pytest
import segno

from cli.devices import asked, enrol, made
from cli.terminal import at_a_terminal, plain
from support.agent import AgentProcess
from support.devices import rfc3339


def config_of(cli, key: str) -> httpx.Response:
    """What a device asks for with its own key."""
    return httpx.get(f"{cli.url}/v1/config", headers={"Authorization": f"Bearer {key}"})


def test_what_was_tried_with_an_install_token_is_listed_with_its_reason(cli):
    token = cli.json("device", "create", "tried")
    box = enrol(cli.url, token["install_token"])
    httpx.post(f"{cli.url}/v1/enroll", json={"install_token": token["install_token"]})
    listed = cli.json("device", "attempts", "tried")
    assert listed == asked(cli, f"devices/{box.id}/attempts")["data"]
    assert listed[0]["outcome"] == "refused"
    assert "used already" in cli.ok("device", "attempts", "tried")
    assert token["install_token"] not in cli.ok("device", "attempts", "tried", "--json")


def test_a_rotated_key_works_and_the_one_before_does_not(cli):
    box = made(cli, "rotated")
    assert "--yes" in cli.refused(2, "device", "rotate-key", "rotated")
    cli.ok("device", "rotate-key", "rotated", "--dry-run")
    assert config_of(cli, box.key).status_code == 200
    done = cli.run("device", "rotate-key", "rotated", "--yes")
    key = done.stdout.strip()
    assert key.startswith("adk_")
    assert key not in done.stderr
    assert config_of(cli, key).json()["device_id"] == box.id
    assert config_of(cli, box.key).status_code == 401
    again = cli.json("device", "rotate-key", box.id, "--yes")
    assert config_of(cli, again["device_key"]).status_code == 200
    cli.refused(3, "device", "rotate-key", "nowhere", "--yes")


def provision(cli, token: str, hardware: str) -> httpx.Response:
    body = {"provisioning_token": token, "device": {"device_id": hardware}}
    return httpx.post(f"{cli.url}/v1/enroll", json=body)


def test_a_released_device_comes_back_into_its_record_once(cli):
    token = cli.json("token", "create", "shelf", "--unlimited")["token"]
    device = provision(cli, token, "hw-back").json()["device_id"]
    assert provision(cli, token, "hw-back").status_code == 409
    cli.ok("device", "release", device, "--dry-run")
    assert provision(cli, token, "hw-back").status_code == 409
    assert cli.json("device", "release", device)["released_at"] is not None
    assert "released" in cli.ok("device", "get", device)
    assert provision(cli, token, "hw-back").json()["device_id"] == device
    assert provision(cli, token, "hw-back").status_code == 409


def test_hardware_without_an_id_of_its_own_cannot_be_released(cli):
    box = made(cli, "no id of its own")
    assert "install token" in cli.refused(5, "device", "release", box.id)


def test_a_device_whose_approval_is_taken_away_is_marked_and_its_key_rests(cli):
    box = made(cli, "unruly", tags=["unruly"])
    shown = cli.json("device", "update", "unruly", "--approval", "rejected", "--dry-run")
    assert (shown["before"]["approval"], shown["after"]["approval"]) == ("approved", "rejected")
    assert config_of(cli, box.key).status_code == 200
    cli.ok("device", "update", "unruly", "--approval", "rejected")
    assert config_of(cli, box.key).is_client_error
    assert ", rejected" in cli.ok("device", "list", "--tag", "unruly")
    assert "rejected" in cli.ok("device", "get", "unruly")
    cli.refused(2, "device", "update", "unruly", "--approval", "perhaps")
    cli.ok("device", "update", "unruly", "--approval", "approved")
    assert config_of(cli, box.key).status_code == 200
    assert "approv" not in cli.ok("device", "get", "unruly")


def test_a_payload_written_to_a_file_enrols_the_real_agent(cli, tmp_path):
    device = cli.json("device", "create", "far away")["id"]
    file, picture = tmp_path / "device.json", tmp_path / "code.svg"
    said = cli.json("device", "payload", "far away", "--file", file, "--qr", picture)
    assert said["files"] == [str(picture), str(file)]
    for path in (file, picture):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    payload = json.loads(file.read_text())["payload"]
    assert payload not in json.dumps(said)
    agent = AgentProcess(tmp_path / "agent")
    key = f"--server-key={said['server_key']}"
    enrolled = agent.command("enroll", "--file", str(file), key)
    assert enrolled.returncode == 0, enrolled.stderr
    ran = agent.command("run", "--once")
    assert ran.returncode == 0, ran.stderr
    assert asked(cli, f"devices/{device}")["status"] == "online"


def test_the_picture_stands_alone(cli, tmp_path):
    """A program that opens the file must know its language; in a page it need not be named."""
    cli.ok("device", "create", "pictured")
    cli.ok("device", "payload", "pictured", "--qr", tmp_path / "code.svg")
    picture = ET.parse(tmp_path / "code.svg").getroot()
    assert picture.tag == "{http://www.w3.org/2000/svg}svg"
    assert list(picture.iter("{http://www.w3.org/2000/svg}path"))


def test_a_piped_payload_is_alone_on_standard_output(cli, tmp_path):
    cli.ok("device", "create", "piped")
    done = cli.run("device", "payload", "piped")
    assert done.returncode == 0, done.stderr
    payload = done.stdout.strip()
    assert payload.startswith("MRG1.")
    assert payload not in done.stderr
    shown = cli.json("device", "payload", "piped", "--expires-in", "1h")
    assert shown["payload"] != payload
    assert shown["device_json"]["payload"] == shown["payload"]
    assert shown["device_json"]["expires_at"] - shown["device_json"]["issued_at"] == 3600


def test_a_file_that_is_there_is_left_alone_and_the_payload_before_stays_good(cli, tmp_path):
    cli.ok("device", "create", "kept")
    file = tmp_path / "device.json"
    cli.ok("device", "payload", "kept", "--file", file)
    before = file.read_text()
    cli.refused(2, "device", "payload", "kept", "--file", file)
    cli.refused(2, "device", "payload", "kept", "--file", tmp_path / "no" / "device.json")
    cli.refused(2, "device", "payload", "kept", "--file", tmp_path, "--force")
    other = tmp_path / "other"
    cli.refused(2, "device", "payload", "kept", "--file", other, "--qr", other)
    cli.refused(2, "device", "payload", "kept", "--expires-in", "1s", "--qr", other)
    cli.ok("device", "payload", "kept", "--file", other, "--dry-run")
    assert file.read_text() == before
    assert list(tmp_path.glob(".moorage-*")) == []
    assert not other.exists()
    agent = AgentProcess(tmp_path / "agent")
    key = f"--server-key={asked(cli, 'server-key')['public_key']}"
    assert agent.command("enroll", "--file", str(file), key).returncode == 0
    assert agent.command("run", "--once").returncode == 0
    cli.ok("device", "payload", "kept", "--file", file, "--force")
    assert file.read_text() != before


def test_a_device_that_may_be_two_is_marked_in_the_list_and_explained(cli):
    box = made(cli, "twice", tags=["clones"])
    made(cli, "alone", tags=["clones"])
    copy = type(box)(box.key, box.id)
    copy.url = box.url
    for one in (box, copy, box):
        one.send(telemetry=[{"at": rfc3339(), "cpu_percent": 1.0}])
    assert asked(cli, f"devices/{box.id}")["clone_suspected_at"] is not None
    rows = cli.ok("device", "list", "--tag", "clones").splitlines()
    assert ["clone suspected" in row for row in rows if "twice" in row] == [True]
    assert ["clone suspected" in row for row in rows if "alone" in row] == [False]
    shown = cli.ok("device", "get", "twice")
    assert "clone suspected" not in cli.ok("device", "get", "alone")
    (line,) = [line for line in shown.splitlines() if line.startswith("clone ")]
    (event,) = asked(cli, f"devices/{box.id}/events?event=device.clone_suspected")["data"]
    assert event["description"] in line


def modules_of(lines: list[str]) -> list[list[int]]:
    """What a camera sees of lines of half blocks: 1 is dark."""
    above = {"█": 0, "▀": 0, "▄": 1, " ": 1}
    below = {"█": 0, "▀": 1, "▄": 0, " ": 1}
    return [[half[c] for c in line] for line in lines for half in (above, below)]


@pytest.mark.parametrize("columns", [200, 80])
def test_a_code_drawn_on_a_terminal_is_the_payloads(cli, tmp_path, columns):
    cli.ok("device", "create", f"drawn {columns}")
    file = tmp_path / "device.json"
    code, shown = at_a_terminal(
        *(cli, "device", "payload", f"drawn {columns}", "--file", file, "--show"), width=columns
    )
    assert code == 0, shown
    lines = [line for line in plain(shown).splitlines() if set(line) <= set("█▀▄ ")]
    drawn = modules_of([line for line in lines if line])
    payload = json.loads(file.read_text())["payload"]
    assert payload not in shown
    wanted = segno.make_qr(payload, error="l", boost_error=False)
    # Two rows to a line: a last row without a partner has a light one below it.
    codes = [[list(row) for row in wanted.matrix_iter(border=border)] for border in (4, 2)]
    assert drawn[: len(drawn) - len(drawn[0]) % 2] in codes


def test_on_a_terminal_too_narrow_the_payload_is_shown_as_text(cli):
    cli.ok("device", "create", "narrow")
    code, shown = at_a_terminal(cli, "device", "payload", "narrow", width=40)
    assert code == 0
    assert "MRG1." in plain(shown)
    assert "█" not in shown

"""Payloads for a device without a network: what is believed, and that it enrols once it can."""

import base64
import json
import time

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agent.fake_server import UNHEARD, problem
from agent.kit import run, token
from moorage_agent import clock, loop, offline, step
from moorage_agent.cli import main
from moorage_agent.enrol import Pending, Trust, set_up
from moorage_agent.store import Store

SIGNER = Ed25519PrivateKey.from_private_bytes(b"\7" * 32)
KEY = SIGNER.public_key().public_bytes_raw()
NOW = 1_800_000_000


def base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def payload(signer=SIGNER, **changed) -> str:
    told = {
        "v": 1,
        "server": "https://moorage.example",
        "device_id": "dev_1",
        "workspace": "acme",
        "name": "Tür 1",
        "secret": token(),
        "issued_at": NOW - 100,
        "expires_at": NOW + 100,
        **changed,
    }
    content = {name: value for name, value in told.items() if value is not ...}
    return signed(json.dumps(content, ensure_ascii=False).encode(), signer)


def signed(content: bytes, signer=SIGNER) -> str:
    head = f"MRG1.{base64url(content)}"
    return f"{head}.{base64url(signer.sign(head.encode()))}"


def test_a_payload_says_what_the_server_signed():
    found = offline.verified(f" {payload(report_interval_s=60)}\n", KEY, NOW)
    assert found == offline.Payload(
        "https://moorage.example", "dev_1", "acme", "Tür 1", token(), NOW - 100, NOW + 100, 60.0
    )


def test_anothers_signature_is_refused():
    other = Ed25519PrivateKey.generate()
    with pytest.raises(ValueError, match="signature"):
        offline.verified(payload(other), KEY, NOW)


def test_an_altered_content_is_refused():
    mark, _, signature = payload().split(".")
    _, content, _ = payload(server="https://evil.example").split(".")
    with pytest.raises(ValueError, match="signature"):
        offline.verified(f"{mark}.{content}.{signature}", KEY, NOW)


@pytest.mark.parametrize("at", [5, 60, -1, -43, -86])
def test_a_letter_that_was_copied_badly_is_found(at):
    text = payload()
    letter = "B" if text[at] != "B" else "C"
    altered = text[:at] + letter + text[at:][1:]
    with pytest.raises(ValueError, match=r"payload"):
        offline.verified(altered, KEY, NOW)


@pytest.mark.parametrize(
    "text", ["", "MRG1", "MRG1..", "MRG2" + payload()[4:], payload() + "=", payload()[:-1]]
)
def test_what_is_no_payload_is_refused(text):
    with pytest.raises(ValueError, match="no payload"):
        offline.verified(text, KEY, NOW)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"v": 2}, "update the agent"),
        ({"v": ...}, "update the agent"),
        ({"server": ...}, "server"),
        ({"server": 7}, "server"),
        ({"name": "a\nb"}, "name"),
        ({"issued_at": "1"}, "issued_at"),
        ({"expires_at": True}, "expires_at"),
        ({"expires_at": 1.5}, "expires_at"),
        ({"report_interval_s": -1}, "report_interval_s"),
        ({"secret": token("apt")}, "install token"),
        ({"secret": token()[:-1] + "0"}, "install token"),
    ],
)
def test_a_signed_payload_of_another_form_is_refused_by_name(changed, said):
    with pytest.raises(ValueError, match=said) as refused:
        offline.verified(payload(**changed), KEY, NOW)
    assert "inst_" not in str(refused.value)


@pytest.mark.parametrize("content", [b"[]", b"x", b"\xff", b"[" * 2000])
def test_a_signed_payload_that_is_no_object_is_refused(content):
    with pytest.raises(ValueError, match="update the agent"):
        offline.verified(signed(content), KEY, NOW)


@pytest.mark.parametrize(
    ("now", "taken"),
    [
        (NOW, True),
        (NOW + 99, True),
        (NOW + 100, False),
        (NOW + 10**8, False),
        # A clock before the signing is wrong, so it says nothing.
        (0, True),
        (NOW - 101, True),
    ],
)
def test_an_expired_payload_is_refused_by_a_clock_that_may_be_right(now, taken):
    if taken:
        offline.verified(payload(), KEY, now)
        return
    with pytest.raises(ValueError, match=r"expired at 2027-01-15.*clock") as refused:
        offline.verified(payload(), KEY, now)
    assert "inst_" not in str(refused.value)


def test_a_payload_that_was_made_expired_is_refused_unless_the_clock_is_behind():
    """Nothing is gained by a signed expiry before the signing; the server refuses its token."""
    text = payload(expires_at=NOW - 200)
    with pytest.raises(ValueError, match="expired"):
        offline.verified(text, KEY, NOW)


def test_the_server_key_is_a_text_a_file_or_a_saved_answer(tmp_path):
    text = base64url(KEY)
    (tmp_path / "text").write_text(text + "\n")
    (tmp_path / "json").write_text(json.dumps({"algorithm": "Ed25519", "public_key": text}))
    for given in (text, str(tmp_path / "text"), str(tmp_path / "json")):
        assert offline.server_key(given) == KEY
    (tmp_path / "none").write_text("{}")
    for wrong in (str(tmp_path / "none"), base64url(KEY)[:-1] + "_"):
        with pytest.raises(ValueError, match="server key"):
            offline.server_key(wrong)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"payload": 7}', "[" * 60000])
def test_a_file_without_a_payload_is_refused(tmp_path, content):
    (tmp_path / "device.json").write_text(content)
    with pytest.raises(ValueError, match=r"device\.json"):
        offline.in_file(str(tmp_path / "device.json"))


# --- the command line


@pytest.fixture
def command(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("MOORAGE_SERVER_KEY", raising=False)

    def enrol(*arguments: str) -> tuple[int, str]:
        code = main(["enroll", "--dir", str(tmp_path / "agent"), *arguments])
        captured = capsys.readouterr()
        assert "inst_" not in captured.out + captured.err
        return code, captured.out + captured.err

    return enrol


def fresh(server, **more) -> str:
    now = int(time.time())
    return payload(server=server.url, issued_at=now - 9, expires_at=now + 3600, **more)


def test_without_a_server_key_it_is_said_where_to_get_it(command, server, tmp_path):
    code, said = command("--payload", fresh(server))
    assert code == 1
    assert "GET /v1/server-key" in said
    assert not (tmp_path / "agent").exists()


def test_a_server_key_baked_into_an_image_comes_by_the_environment(command, server, monkeypatch):
    monkeypatch.setenv("MOORAGE_SERVER_KEY", base64url(KEY))
    assert command("--payload", fresh(server))[0] == 0


def test_only_what_is_signed_in_a_file_is_believed(command, server, tmp_path):
    told = {"payload": fresh(server), "server": "https://evil.example", "device_id": "dev_evil"}
    (tmp_path / "device.json").write_text(json.dumps(told))
    code, said = command("--file", str(tmp_path / "device.json"), "--server-key", base64url(KEY))
    assert code == 0
    assert "dev_1" in said
    assert "evil" not in said
    assert not server.enrolments


@pytest.mark.parametrize("more", [("--server", "http://a"), ("--token", "inst_x")])
def test_a_payload_stands_alone(command, server, more):
    code, said = command("--payload", fresh(server), *more)
    assert code == 1
    assert "alone" in said.replace("--token inst_x", "")


def test_an_enrolled_device_is_moved_at_once_or_stays_as_it_is(command, server, folder, tmp_path):
    server.enrol_reply = lambda _body: problem(401, "token_invalid")
    key = base64url(KEY)
    before = remembered(folder, "key")
    text = fresh(server, secret=token(digit="b"))
    code, said = command("--payload", text, "--server-key", key)
    assert code == 1
    assert "fresh token" in said
    assert remembered(folder, "key") == before
    server.enrol_reply = lambda _body: None
    assert command("--payload", text, "--server-key", key)[0] == 0
    assert remembered(folder, "key") != before
    assert "already" in command("--payload", text, "--server-key", key)[1]
    assert len(server.enrolments) == 3


def remembered(folder, name):
    store = Store(str(folder), boot_id="boot")
    try:
        return store.get(name)
    finally:
        store.close()


# --- the first contact


@pytest.fixture
def waiting(tmp_path, server, monkeypatch):
    """The folder of an agent that was set up and never met its server."""
    monkeypatch.setattr(loop.random, "random", lambda: 0.0)
    monkeypatch.setattr(loop, "_WAKE_EVERY_S", 0.02)
    monkeypatch.setattr(loop, "_FIRST_AFTER_S", 0.05)
    monkeypatch.setattr(step, "SHORTEST_INTERVAL_S", 0.1)
    monkeypatch.setattr(step, "FIRST_REFUSED_PAUSE_S", 0.1)
    server.interval_s = 0.1
    store = Store(str(tmp_path / "waiting"), boot_id="boot")
    set_up(store, Pending(server.url, token(), Trust()), 0.1)
    store.close()
    return tmp_path / "waiting"


def test_it_collects_while_it_is_alone_and_reports_all_once_it_met_the_server(waiting, server):
    met, away = [], [True]
    server.enrol_reply = lambda body: met.append(body) or (UNHEARD if away else None)
    run(waiting, server, lambda: len(met) >= 3)
    assert not server.attempts
    assert "cannot ask the server" in remembered(waiting, "last_error")
    away.clear()
    run(waiting, server, lambda: len(server.rows("events")) == 2)
    # One key was proposed all along, so that a lost answer costs nothing.
    assert len({body["device_key"] for body in met}) == 1
    assert met[0]["install_token"] == token()
    key = met[0]["device_key"]
    assert server.attempts[0].headers["Authorization"] == f"Bearer {key}"
    assert remembered(waiting, "pending") is None
    assert remembered(waiting, "device_id") == "device-1"


@pytest.mark.parametrize("status", [401, 409, 403])
def test_a_refused_payload_is_tried_again_and_said(waiting, server, status):
    met = []
    server.enrol_reply = lambda body: (
        met.append(body) or (problem(status, "token_expired") if len(met) < 3 else None)
    )
    run(waiting, server, lambda: server.accepted)
    assert len(met) == 3
    lines = [row["message"] for row in server.rows("logs")]
    assert sum("does not enrol this device" in line for line in lines) == 1


def test_a_clock_of_1970_costs_no_row_of_the_time_before_the_first_contact(
    waiting, server, monkeypatch
):
    real, behind = clock.now, [time.time()]
    monkeypatch.setattr(clock, "now", lambda: real()._replace(wall=time.time() - behind[0]))
    met = []
    server.enrol_reply = lambda body: met.append(body) or (UNHEARD if behind[0] else None)

    def set_after_a_while():
        if len(met) >= 4:
            behind[0] = 0.0
        return server.accepted

    run(waiting, server, set_after_a_while)
    assert all(row["at"] > "2020" for row in server.rows("telemetry") + server.rows("events"))


def test_another_payload_takes_the_place_of_one_that_waits(waiting, server):
    server.enrol_reply = lambda body: (
        None if body["install_token"] == token(digit="c") else problem(401, "token_invalid")
    )

    def give_another():
        if len(server.enrolments) == 1:
            store = Store(str(waiting), boot_id="boot")
            set_up(store, Pending(server.url, token(digit="c"), Trust()), None)
            store.close()
        return False

    agent = run(waiting, server, give_another)
    assert agent.enrolled_anew
    run(waiting, server, lambda: server.accepted)
    assert remembered(waiting, "pending") is None

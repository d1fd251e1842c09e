"""Commands sent to a device and followed to their end."""

import json

from cli.devices import asked, made


def test_a_command_waits_for_the_device_and_carries_its_arguments(cli):
    box = made(cli, "asked")
    sent = cli.json(
        *("command", "send", "asked", "restart_service", "--arg", "service=camera"),
        *("--arg", 'force:={"after_s": 5}', "--expires-in", "15m"),
    )
    assert sent["state"] == "queued"
    (got,) = box.send()["commands"]
    assert got["id"] == sent["id"]
    assert got["arguments"] == {"service": "camera", "force": {"after_s": 5}}
    assert cli.json("command", "get", "asked", sent["id"])["state"] == "delivered"
    (listed,) = cli.json("command", "list", "asked")
    assert listed["id"] == sent["id"]


def test_wait_follows_a_command_until_it_succeeded(cli):
    box = made(cli, "done")
    process = cli.start("command", "send", "done", "ping", "--wait", "--every", "0.5", "--json")
    got = []
    while not got:
        got = box.send()["commands"]
    box.send(commands=[{"id": got[0]["id"], "state": "succeeded", "result": {"pong": 1}}])
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert json.loads(out)["state"] == "succeeded"
    assert json.loads(out)["result"] == {"pong": 1}
    assert "succeeded" in errors


def test_wait_exits_1_when_a_command_failed_and_says_why(cli):
    box = made(cli, "failed")
    process = cli.start("command", "send", "failed", "ping", "--wait", "--every", "0.5")
    got = []
    while not got:
        got = box.send()["commands"]
    box.send(commands=[{"id": got[0]["id"], "state": "failed", "error": "no such thing"}])
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 1, errors
    assert "no such thing" in out


def test_wait_that_is_over_says_how_to_look_later(cli):
    made(cli, "silent")
    done = cli.run(
        *("command", "send", "silent", "ping", "--wait", "--timeout", "1s", "--every", "0.5")
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert "moorage command get" in done.stderr


def test_a_command_is_taken_back_once(cli):
    box = made(cli, "spared")
    sent = cli.json("command", "send", "spared", "reboot")
    dry = cli.json("command", "cancel", "spared", sent["id"], "--dry-run")
    assert (dry["before"]["state"], dry["after"]["state"]) == ("queued", "cancelled")
    assert cli.json("command", "cancel", "spared", sent["id"])["state"] == "cancelled"
    assert box.send()["commands"] == []
    cli.refused(5, "command", "cancel", "spared", sent["id"])
    cli.refused(5, "command", "cancel", "spared", sent["id"], "--dry-run")


def test_a_dry_run_sends_nothing(cli):
    box = made(cli, "unasked")
    shown = cli.json("command", "send", "unasked", "reboot", "--dry-run")
    assert shown["after"]["kind"] == "reboot"
    assert asked(cli, f"devices/{box.id}/commands")["data"] == []


def test_what_no_device_could_understand_is_refused(cli):
    made(cli, "strict")
    assert "ping" in cli.refused(2, "command", "send", "strict", "dance")
    assert "service" in cli.refused(2, "command", "send", "strict", "restart_service")
    for argument in ("service", "=x", "n:=not json"):
        cli.refused(2, "command", "send", "strict", "ping", "--arg", argument)
    cli.refused(2, "command", "send", "strict", "ping", "--arg", "a=1", "--arg", "a=2")
    cli.refused(3, "command", "get", "strict", "cmd_" + "0" * 24)
    cli.refused(2, "command", "get", "strict", "..")

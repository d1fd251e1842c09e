"""The proof that no report was lost or altered, against a ledger that is and one that is not."""

import json
import sqlite3

import pytest

from cli.devices import made


def verified(cli, *arguments):
    done = cli.run("device", "verify", *arguments, "--json")
    found = json.loads(done.stdout)
    assert done.returncode == (0 if found["holds"] else 1), done.stderr
    return found


def test_a_sound_ledger_is_proved_from_its_first_report_to_its_last(cli):
    box = made(cli, "sound")
    for _ in range(5):
        box.send()
    found = verified(cli, "sound")
    assert found["holds"]
    (period,) = found["periods"]
    assert period["reports"] == 5
    assert found["spans"][0]["anchored"] == "begin"
    shown = cli.ok("device", "verify", "sound")
    assert "nothing was lost or altered: 5 reports" in shown
    assert shown.splitlines()[-1] == "it holds"


def test_what_the_device_remembers_must_be_there(cli):
    box = made(cli, "remembers")
    box.send()
    box.send()
    value = f"{box.epoch}:{box.sequence}:{box.chain}"
    assert verified(cli, "remembers", "--expect", value)["holds"]
    forged = f"{box.epoch}:{box.sequence}:{'ab' * 32}"
    assert not verified(cli, "remembers", "--expect", forged)["holds"]
    box.accept(b"a report the server never got")
    ahead = f"{box.epoch}:{box.sequence}:{box.chain}"
    (finding,) = verified(cli, "remembers", "--expect", ahead)["findings"]
    assert (finding["kind"], finding["sequence"]) == ("lost", 3)
    elsewhere = f"another:1:{'ab' * 32}"
    (finding,) = verified(cli, "remembers", "--expect", elsewhere)["findings"]
    assert finding["epoch"] == "another"
    for wrong in ("x", "e:1:zz", f"e:one:{'ab' * 32}"):
        cli.refused(2, "device", "verify", "remembers", "--expect", wrong)


def test_a_device_that_never_reported_has_nothing_to_prove(cli):
    made(cli, "silent")
    found = verified(cli, "silent")
    assert found["periods"] == []
    assert "no report" in cli.ok("device", "verify", "silent")


@pytest.mark.parametrize(
    ("kind", "statement"),
    [
        ("altered", "UPDATE {table} SET {digest} = :other WHERE sequence = 3"),
        ("lost", "DELETE FROM {table} WHERE sequence = 3"),
    ],
    ids=["altered", "lost"],
)
def test_a_ledger_that_was_tampered_with_does_not_hold(cli, own_server, kind, statement):
    server = own_server
    cli.url, cli.key = server.base_url, server.bootstrap("tampered")["api_key"]
    cli.login()
    box = made(cli, "tampered")
    for _ in range(5):
        box.send()
    assert verified(cli, "tampered")["holds"]
    server.stop()
    with sqlite3.connect(server.folder / "data" / "db" / "moorage.db") as db:
        tables = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type='table'")]
        for table in tables:
            columns = {row[1] for row in db.execute(f"PRAGMA table_info({table})")}
            if {"sequence", "digest"} <= columns:
                db.execute(
                    statement.format(table=table, digest="digest"),
                    {"other": "ab" * 32} if "UPDATE" in statement else {},
                )
                assert db.execute("SELECT changes()").fetchone()[0] == 1
                break
        else:
            raise AssertionError("the ledger's table was not found")
    server.start()
    found = verified(cli, "tampered")
    assert not found["holds"]
    assert (kind, 3) in [(one["kind"], one["sequence"]) for one in found["findings"]]
    done = cli.run("device", "verify", "tampered")
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == "it does not hold"

"""Lines: how bad they are, how many are too many, what goes first when there is no room."""

import json
import logging
import time

import pytest

from moorage_agent import clock, journal, severity
from moorage_agent.logs import Collector
from moorage_agent.store import Store


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("plain words", "info"),
        ("time=2026-11-21T10:00:00Z level=warning msg=disk", "warning"),
        ('{"level":"error","msg":"no camera"}', "error"),
        ('{"severity": "CRITICAL", "message": "x"}', "critical"),
        ("[DEBUG] looking", "debug"),
        ("2026-11-21 10:00:00,123 WARNING root: slow", "warning"),
        ("ERROR: cannot open /dev/video0", "error"),
        ("Error: cannot open /dev/video0", "error"),
        ("E1121 10:00:00.000000       1 main.go:1] x", "error"),
        ("W1121 10:00:00.000000       1 main.go:1] x", "warning"),
        ("<3>from a service", "error"),
        ("Traceback (most recent call last):", "error"),
        ("no error was found", "info"),
        ("the information desk", "info"),
        ("GET /errors 200", "info"),
        ("fatal: not a repository", "critical"),
        ("10:00:00 | INFO | started", "info"),
    ],
)
def test_a_line_says_how_bad_it_is(line, named):
    assert severity.of_line(line) == named


def collected(collector, **options):
    return [content for _part, _at, content in collector.take(**options)]


def test_a_source_that_floods_costs_the_others_nothing_and_is_counted():
    collector = Collector()
    for number in range(1000):
        collector.line("flood", None, f"line {number}")
    collector.line("quiet", None, "ERROR: one word")
    rows = collected(collector, ending=True)
    assert {"service": "quiet", "severity": "error", "message": "ERROR: one word"} in rows
    flood = [row for row in rows if row["service"] == "flood"]
    kept = [row for row in flood if row["message"].startswith("line ")]
    assert [row["message"] for row in kept] == [f"line {number}" for number in range(300)]
    assert [row["message"] for row in flood[300:]] == ["700 lines dropped: too many at once"]


def test_more_sources_than_anybody_has_are_counted_together(monkeypatch):
    collector = Collector()
    for number in range(1000):
        collector.line(f"source-{number}", None, "x")
    assert len(collector._sources) <= 201


def test_lines_below_the_level_are_held_back_and_keys_are_cut_out():
    collector = Collector()
    collector.report_from(logging.WARNING)
    collector.line("app", "info", "quiet")
    key = "adk_" + "a" * 48
    collector.line("app", "error", f"key {key}")
    rows = collected(collector)
    assert [row["severity"] for row in rows] == ["error"]
    assert key not in json.dumps(rows)
    assert [content["message"] for _p, _a, content in collector.held_back()] == ["quiet"]


def test_the_oldest_telemetry_goes_before_logs_and_logs_before_events(tmp_path):
    store = Store(str(tmp_path), boot_id="boot", waiting_bytes=40_000)
    now = clock.Instant(1e9, 1.0)

    def rows(part, count):
        store.add((part, now, {"number": number, "x": "y" * 60}) for number in range(count))

    rows("events", 50)
    rows("logs", 100)
    rows("telemetry", 400)
    left = dict(store._db.execute("SELECT part, COUNT(*) FROM rows GROUP BY part"))
    assert (left["events"], left["logs"]) == (50, 100)
    rows("logs", 400)
    left = dict(store._db.execute("SELECT part, COUNT(*) FROM rows GROUP BY part"))
    assert "telemetry" not in left
    assert left["events"] == 50
    oldest = store._db.execute("SELECT MIN(id) FROM rows WHERE part = 'logs'").fetchone()[0]
    assert oldest > 50
    # What was let go is counted, in the next report.
    store.put(server="http://x", key="adk_x")
    body = store.compose("live", {"sent_at": "x"}, now, past_before=0.0).body
    dropped = json.loads(body)["dropped"]
    assert dropped["telemetry"] == 400
    assert dropped["logs"] > 0
    assert "events" not in dropped
    store.close()


JOURNALCTL = """#!/bin/sh
printf '%s\\n' "$*" >> {calls}
cat {entries}
exec sleep 600
"""


def test_the_journal_is_read_from_where_it_was_left(tmp_path, monkeypatch):
    calls, entries = tmp_path / "calls", tmp_path / "entries"
    told = [
        {"__CURSOR": "c1", "_SYSTEMD_UNIT": "ssh.service", "PRIORITY": "3", "MESSAGE": "refused"},
        {"__CURSOR": "c2", "_SYSTEMD_UNIT": "moorage-agent.service", "MESSAGE": "our own"},
        {"__CURSOR": "c3", "SYSLOG_IDENTIFIER": "kernel", "PRIORITY": "4", "MESSAGE": [104, 105]},
    ]
    entries.write_text("".join(json.dumps(entry) + "\n" for entry in told) + "no json\n")
    program = tmp_path / "bin" / "journalctl"
    program.parent.mkdir()
    program.write_text(JOURNALCTL.format(calls=calls, entries=entries))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.setattr(journal, "_CURSOR_EVERY_S", 0.0)
    lines = []
    follower = journal.Journal(str(tmp_path), lambda *line: lines.append(line))
    follower.want(["ssh.service"])
    wait_for(lambda: len(lines) == 2 and (tmp_path / "journal-cursor").exists())
    wait_for(lambda: (tmp_path / "journal-cursor").read_text() == "c3")
    assert lines == [
        ("journal/ssh.service", "error", "refused"),
        ("journal/kernel", "warning", "hi"),
    ]
    follower.close()
    follower.want([])
    wait_for(lambda: calls.read_text().count("\n") == 2)
    follower.close()
    first, second = calls.read_text().splitlines()
    assert "--unit=ssh.service" in first
    assert "--after-cursor=c3" in second


@pytest.mark.parametrize(
    ("told", "units"),
    [
        (None, None),
        (False, None),
        (True, []),
        (["ssh.service"], ["ssh.service"]),
        ([], None),
        ("x", None),
    ],
)
def test_the_journal_is_followed_when_the_config_asks_for_it(told, units):
    assert journal.wanted({"journal": told}) == units


def wait_for(holds):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if holds():
            return
        time.sleep(0.01)
    raise AssertionError("waited in vain")

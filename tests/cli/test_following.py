"""What goes on and on: log lines as they come, devices as they come and go, a device awaited."""

import json
import queue
import re
import signal
import subprocess
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.devices import asked, enrol, made
from moorage.cli.owner.following import Seen
from moorage.sdk import LogLine
from sdk.wire import Refuse, Wire
from support.devices import rfc3339

WITHIN_S = 60
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


class Followed:
    """A command that goes on, and what it printed so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self._queue: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self.process.stdout:
            self._queue.put(line.rstrip("\n"))
        self._queue.put(None)

    def until(self, word: str) -> str:
        """The next line that holds the word; fails when there is none in time."""
        while True:
            line = self._queue.get(timeout=WITHIN_S)
            assert line is not None, (word, self.lines, self.process.stderr.read())
            self.lines.append(line)
            if word in line:
                return line

    def end(self) -> int:
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(WITHIN_S)
        while (line := self._queue.get(timeout=WITHIN_S)) is not None:
            self.lines.append(line)
        self.errors = self.process.stderr.read()
        assert "Traceback" not in self.errors
        return code


@pytest.fixture
def follow(cli):
    started: list[Followed] = []

    def begin(*arguments: str) -> Followed:
        started.append(Followed(cli.start(*arguments)))
        return started[-1]

    yield begin
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()


def test_logs_are_shown_oldest_first_and_filtered(cli):
    box = made(cli, "quiet")
    at = [rfc3339(datetime.now(UTC) - timedelta(seconds=n)) for n in (30, 20, 10)]
    box.send(
        logs=[
            {"at": at[0], "service": "app", "severity": "info", "message": "first"},
            {"at": at[1], "service": "web", "severity": "error", "message": "second"},
            {"at": at[2], "service": "app", "severity": "info", "message": "third"},
        ]
    )
    shown = cli.ok("device", "logs", "quiet").splitlines()
    assert [line.rpartition(": ")[2] for line in shown] == ["first", "second", "third"]
    assert shown[0].startswith(at[0])
    listed = cli.json("device", "logs", "quiet", "--limit", "2")
    assert [line["message"] for line in listed] == ["third", "second"]
    listed = cli.json("device", "logs", "quiet", "--service", "web")
    assert [line["message"] for line in listed] == ["second"]
    listed = cli.json("device", "logs", "quiet", "--severity", "error", "--severity", "warning")
    assert [line["message"] for line in listed] == ["second"]
    listed = cli.json("device", "logs", "quiet", "--since", at[1], "--until", at[2])
    assert [line["message"] for line in listed] == ["second"]
    listed = cli.json("device", "logs", "quiet", "--since", "15s")
    assert [line["message"] for line in listed] in ([], ["third"])


def test_what_a_terminal_would_obey_is_shown_and_not_obeyed(cli):
    evil = "red \x1b[31m bell \x07 line\nbreak \u202e txt \x9b0m"
    made(cli, "evil").log(evil)
    shown = cli.ok("device", "logs", "evil")
    assert not [c for c in shown.removesuffix("\n") if c in "\x1b\x07\n\u202e\x9b"]
    assert r"red \x1b[31m bell \x07 line\nbreak \u202e txt \x9b0m" in shown
    (line,) = cli.json("device", "logs", "evil")
    assert line["message"] == evil
    raw = cli.ok("device", "logs", "evil", "--json")
    assert raw.isascii()
    assert "\x1b" not in raw


def test_following_prints_each_line_once_also_equal_ones_and_late_ones(cli, follow):
    box = made(cli, "chatty")
    box.log("before")
    followed = follow("device", "logs", "chatty", "-f", "--every", "0.5", "--json")
    followed.until("before")
    now = rfc3339()
    box.log("same", "same", "same", at=now)
    box.log("one")
    followed.until("one")
    # Late: it is older than what was printed by now, as after a gap in the network.
    box.log("late", at=rfc3339(datetime.now(UTC) - timedelta(minutes=2)))
    box.log("same", at=now)
    box.log(*(f"many {n}" for n in range(700)))
    followed.until("late")
    box.log("last")
    followed.until('"last"')
    assert followed.end() == 0
    printed = [json.loads(line)["message"] for line in followed.lines]
    expected = ["before", *["same"] * 4, "one", "late", *(f"many {n}" for n in range(700)), "last"]
    assert sorted(printed) == sorted(expected)


def test_a_late_line_behind_pages_of_lines_that_were_seen_is_found_too(cli, follow):
    box = made(cli, "deep")
    box.log(*(f"many {n}" for n in range(600)))
    followed = follow("device", "logs", "deep", "-f", "--limit", "1", "--every", "0.5")
    followed.until("many")
    box.log("late", at=rfc3339(datetime.now(UTC) - timedelta(minutes=2)))
    followed.until("late")
    assert followed.end() == 0
    assert len(followed.lines) == 2


def test_following_begins_with_the_last_lines_only(cli, follow):
    box = made(cli, "long")
    for n in range(5):
        box.log(f"line {n}", at=rfc3339(datetime.now(UTC) - timedelta(seconds=50 - n)))
    followed = follow("device", "logs", "long", "-f", "--limit", "2", "--every", "0.5")
    followed.until("line 4")
    box.log("fresh")
    followed.until("fresh")
    assert followed.end() == 0
    assert [line.rpartition(": ")[2] for line in followed.lines] == ["line 3", "line 4", "fresh"]


def line(second: float, message: str) -> LogLine:
    at = NOON + timedelta(seconds=second)
    return LogLine(at=at, received_at=NOON, service="app", severity="info", message=message)


lines = st.builds(line, st.integers(0, 400), st.sampled_from("abc"))


@given(st.lists(st.lists(lines, max_size=6), min_size=1, max_size=6), st.data())
def test_however_lines_arrive_and_however_deep_is_looked_none_is_printed_twice_or_left_out(
    arrivals, data
):
    """A look sees the newest lines down to some depth; the last one sees all."""
    seen, there, printed = Seen(timedelta(hours=1)), [], []
    for arrived in arrivals:
        there += arrived
        # As the server lists: by time, among equals those stored last first.
        listed = [one for _, one in sorted(enumerate(there), key=lambda e: (e[1].at, e[0]))][::-1]
        depth = data.draw(st.integers(0, len(listed)))
        printed += seen.fresh(listed[:depth])
    printed += seen.fresh(listed)
    key = lambda one: (one.at, one.message)  # noqa: E731
    assert sorted(printed, key=key) == sorted(there, key=key)


def test_what_is_forgotten_lies_before_what_is_asked_for():
    seen = Seen(timedelta(seconds=60))
    old, new = line(0, "old"), line(300, "new")
    seen.fresh([new, old])
    seen.forget()
    assert seen.since == new.at - timedelta(seconds=60)
    assert old not in seen.lines
    assert seen.has_all([new])
    assert not seen.has_all([new, new])
    # A line from before moves nothing back.
    seen.fresh([line(100, "older")])
    seen.forget()
    assert seen.since == new.at - timedelta(seconds=60)


def test_a_device_deleted_meanwhile_ends_the_following_with_3(cli, follow):
    box = made(cli, "doomed")
    box.log("here")
    followed = follow("device", "logs", "doomed", "-f", "--every", "0.5")
    followed.until("here")
    asked(cli, f"devices/{box.id}", "DELETE")
    assert followed.process.wait(WITHIN_S) == 3


@pytest.fixture(params=["with a feed", "without a feed"])
def served(request, cli):
    """A server with a feed, and one that has none."""
    if request.param == "with a feed":
        yield cli
        return
    with Wire(cli.url) as wire:
        problem = {"status": 404, "code": "not_found", "detail": "there is nothing at this address"}
        kind = {"Content-Type": "application/problem+json"}
        refusal = Refuse(404, kind, json.dumps(problem).encode())
        wire.instead["/v1/stream"] = refusal
        direct, cli.url = cli.url, wire.url
        cli.login()
        cli.url = direct
        yield cli


def test_watch_shows_each_change_of_status(served, follow):
    cli = served
    box = made(cli, "watched", tags=["watch"])
    made(cli, "other")
    followed = follow("device", "watch", "--tag", "watch", "--every", "0.5", "--json")
    while "watching" not in followed.process.stderr.readline():
        assert followed.process.poll() is None
    box.send()
    change = json.loads(followed.until("watched"))
    assert (change["from"], change["to"], change["id"]) == ("never_seen", "online", box.id)
    another = made(cli, "newcomer", tags=["watch"])
    change = json.loads(followed.until("newcomer"))
    assert (change["from"], change["to"]) == (None, "never_seen")
    asked(cli, f"devices/{another.id}", "DELETE")
    change = json.loads(followed.until("newcomer"))
    assert change["to"] == "retired"
    assert followed.end() == 0


def test_a_watch_ends_by_itself_when_told_so(cli):
    made(cli, "timed")
    done = cli.run("device", "watch", "timed", "--every", "0.5", "--timeout", "1s")
    assert (done.returncode, done.stdout) == (0, "")


def test_add_wait_follows_a_device_until_it_is_online(cli, follow):
    followed = follow("device", "add", "awaited", "--wait", "--every", "0.5", "--json")
    device = json.loads(followed.until('"made"'))["device"]
    script = re.search(r"http\S+/install\.sh", device["install_command"])[0]
    assert httpx.get(script).status_code == 200
    attempt = json.loads(followed.until('"attempt"'))["attempt"]
    assert attempt["outcome"] == "fetched"
    assert attempt["address"] == "127.0.0.1"
    box = enrol(cli.url, device["install_token"])
    assert json.loads(followed.until('"enrolled": true'))["device"]["status"] == "never_seen"
    box.send()
    assert json.loads(followed.until('"online"'))["device"]["id"] == device["id"]
    assert followed.process.wait(WITHIN_S) == 0


def test_add_wait_says_why_a_device_is_not_there(cli, follow):
    followed = follow("device", "add", "refused", "--wait", "--every", "0.5", "--timeout", "6s")
    command = followed.until("curl ")
    script = re.search(r"http\S+/install\.sh", command)[0]
    token = Path(script).parent.name
    enrol(cli.url, token)
    # A second box with the same line.
    assert httpx.post(f"{cli.url}/v1/enroll", json={"install_token": token}).status_code == 401
    refused = followed.until("refused from 127.0.0.1")
    assert token not in refused
    assert followed.process.wait(WITHIN_S) == 1
    said = followed.process.stderr.read()
    assert "enrolled" in said
    assert "Traceback" not in said


def test_add_wait_ended_by_hand_leaves_the_device(cli, follow):
    followed = follow("device", "add", "left", "--wait", "--every", "0.5")
    followed.until("curl ")
    followed.until("never_seen")
    assert followed.end() == 1
    assert "ended the wait" in followed.errors
    assert cli.json("device", "get", "left")["status"] == "never_seen"


def test_a_server_that_is_away_for_a_while_ends_no_following(cli, follow, own_server):
    server = own_server
    cli.url, cli.key = server.base_url, server.bootstrap("away")["api_key"]
    cli.login()
    box = made(cli, "patient")
    box.log("before")
    followed = follow("device", "logs", "patient", "-f", "--every", "0.5")
    followed.until("before")
    server.stop()
    while "no answer" not in followed.process.stderr.readline():
        assert followed.process.poll() is None
    server.start()
    box.log("after")
    followed.until("after")
    assert followed.end() == 0


def test_a_server_that_is_away_for_a_while_ends_no_watch(cli, follow, own_server):
    server = own_server
    cli.url, cli.key = server.base_url, server.bootstrap("away")["api_key"]
    cli.login()
    box = made(cli, "steady")
    followed = follow("device", "watch", "steady", "--json")
    while "watching" not in followed.process.stderr.readline():
        assert followed.process.poll() is None
    server.kill()
    while "no answer" not in followed.process.stderr.readline():
        assert followed.process.poll() is None
    server.start()
    box.send()
    change = json.loads(followed.until("steady"))
    assert (change["from"], change["to"], change["id"]) == ("never_seen", "online", box.id)
    assert followed.end() == 0


def test_a_watch_of_what_a_query_leaves_asks_again_and_again(cli, follow):
    box = made(cli, "queried one")
    followed = follow("device", "watch", "--query", "queried", "--every", "0.5", "--json")
    while "watching" not in followed.process.stderr.readline():
        assert followed.process.poll() is None
    box.send()
    assert json.loads(followed.until("queried"))["to"] == "online"
    assert followed.end() == 0


def test_a_watch_of_nothing_is_refused(cli):
    cli.refused(3, "device", "watch", "nowhere")
    cli.refused(3, "device", "watch", "dev_" + "0" * 24)

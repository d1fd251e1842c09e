"""The config document: fetched when it differs, checked, kept, honoured, told until it is there."""

import logging

import pytest

from agent.fake_server import SIGN_IN_PAGE, UNHEARD, Reply, problem
from agent.kit import run
from moorage_agent import config, loop, step
from moorage_agent.store import Store

BASE = {"config": {}, "services": {}, "streams": {}}
SLEEPER = {"command": ["sleep", "600"], "stable_s": 0}


@pytest.fixture(autouse=True)
def _in_haste(monkeypatch, server):
    monkeypatch.setattr(loop.random, "random", lambda: 0.0)
    monkeypatch.setattr(loop, "_WAKE_EVERY_S", 0.02)
    monkeypatch.setattr(loop, "_FIRST_AFTER_S", 0.05)
    monkeypatch.setattr(step, "ASK_AGAIN_S", 0.05)
    # This server answers at once where a real one holds the question, and the agent would ask less
    # and less: a change that comes late, on a busy machine, was heard half a minute later.
    monkeypatch.setattr(step, "QUICK_S", 0.0)
    # Only what is urgent is reported within a test.
    server.interval_s = 3600


def states(server):
    """What was told of configs, but for that one is on its way."""
    told = [report["config"] for report in server.accepted if "config" in report]
    return [state for state in told if state["state"] != "pending"]


def fetched(server):
    return server.paths.count("/v1/config")


def test_a_changed_document_is_fetched_and_told_as_applied(server, folder):
    first = server.config["digest"]
    second = []

    def changed():
        if states(server) and not second:
            second.append(server.set_config({**BASE, "services": {"app": SLEEPER}}))
        return len(states(server)) == 2

    run(folder, server, changed)
    assert states(server) == [
        {"revision": 1, "digest": first, "state": "applied"},
        {"revision": 2, "digest": second[0], "state": "applied"},
    ]
    assert fetched(server) == 2


def test_every_start_tells_it_once_and_fetches_nothing(server, folder):
    run(folder, server, lambda: states(server))
    run(folder, server, lambda: len(server.rows("events")) == 2)
    run(folder, server, lambda: len(server.rows("events")) == 3)
    assert states(server) == [states(server)[0]] * 3
    assert fetched(server) == 1


def test_a_report_that_is_refused_has_told_nothing(server, folder):
    refused = []

    def refuse_once(attempt):
        if "config" in attempt.report and not refused:
            refused.append(attempt)
            return problem(422, "bad")
        return None

    server.reply = refuse_once
    run(folder, server, lambda: states(server))
    assert refused


def test_a_document_that_is_back_to_what_we_have_is_not_sent_again(server, folder):
    run(folder, server, lambda: states(server))
    server.set_config(BASE, revision=3)
    tags = []
    server.config_reply = tags.append
    run(folder, server, lambda: states(server)[-1]["revision"] == 3)
    assert tags == [f'"{server.config["digest"]}"']
    assert states(server)[-1] == {**states(server)[0], "revision": 3}


@pytest.mark.parametrize(
    ("document", "named"),
    [
        ([], "not an object"),
        ({}, "/config"),
        ({**BASE, "streams": []}, "/streams"),
        ({**BASE, "services": {"app": None}}, "/services"),
        ({**BASE, "services": {"app": {}}}, "/services/app"),
        ({**BASE, "config": {"log_level": "loud"}}, "log_level"),
        ({**BASE, "config": {"log_level": []}}, "log_level"),
        ({**BASE, "config": {"report_interval_s": 0}}, "report_interval_s"),
        ({**BASE, "config": {"report_interval_s": True}}, "report_interval_s"),
        ({**BASE, "config": {"report_interval_s": "30"}}, "report_interval_s"),
    ],
)
def test_a_document_of_no_use_is_told_failed_and_the_last_good_one_stays(
    server, folder, document, named
):
    good = {**BASE, "services": {"app": SLEEPER}}
    server.set_config(good)
    run(folder, server, lambda: states(server))
    digest = server.set_config(document)
    run(folder, server, lambda: states(server)[-1]["state"] == "failed")
    told = states(server)[-1]
    assert (told["revision"], told["digest"]) == (3, digest)
    assert named in told["error"]
    before = fetched(server)
    # A later start tells it again, and does not try it again.
    run(folder, server, lambda: len(server.rows("events")) == 3)
    assert states(server)[-1] == told
    assert fetched(server) == before
    store = Store(str(folder), boot_id="boot")
    assert store.configs.document() == good
    store.close()
    server.set_config(BASE)
    run(folder, server, lambda: states(server)[-1]["revision"] == 4)
    assert states(server)[-1]["state"] == "applied"


def test_a_document_that_its_digest_does_not_name_is_of_no_use(server, folder):
    server.set_config(BASE, digest="sha256:" + "0" * 64)
    run(folder, server, lambda: states(server))
    assert states(server)[0]["state"] == "failed"
    assert "digest" in states(server)[0]["error"]


def test_a_roll_back_of_the_server_to_what_we_run_makes_good_a_failure(server, folder):
    run(folder, server, lambda: states(server))
    server.set_config([])
    run(folder, server, lambda: states(server)[-1]["state"] == "failed")
    server.set_config(BASE, revision=1)
    run(folder, server, lambda: states(server)[-1]["state"] == "applied")
    assert states(server)[-1]["revision"] == 1


@pytest.mark.parametrize(
    "reply", [UNHEARD, SIGN_IN_PAGE, Reply(304, b""), problem(503, "busy"), Reply(200, {"a": 1})]
)
def test_a_document_that_does_not_come_is_asked_for_again(server, folder, monkeypatch, reply):
    monkeypatch.setattr(step, "FIRST_PAUSE_S", 0.01)
    fails = [reply, reply]
    server.config_reply = lambda _tag: fails.pop() if fails else None
    run(folder, server, lambda: states(server))
    assert states(server)[0]["state"] == "applied"


def test_another_version_of_the_agent_tries_once_more(server, folder, monkeypatch):
    server.set_config([])
    run(folder, server, lambda: states(server))
    monkeypatch.setattr("moorage_agent.configs.__version__", "99")
    before = fetched(server)
    run(folder, server, lambda: fetched(server) > before and len(server.rows("events")) == 2)


def test_the_interval_and_the_level_of_a_document_are_honoured_also_after_a_start(server, folder):
    server.set_config({**BASE, "config": {"report_interval_s": 7200, "log_level": "error"}})
    server.interval_s = 7200
    agent = run(folder, server, lambda: states(server))
    assert agent._state.interval_s == 7200
    assert agent._collector._from == logging.ERROR
    agent = run(folder, server, lambda: len(server.rows("events")) == 2)
    assert agent._state.interval_s == 7200
    assert agent._collector._from == logging.ERROR


def test_a_device_that_waits_hears_of_a_change_without_a_report(server, folder):
    server.longest_wait_s = 30

    def changed():
        waits = any(path.startswith("/v1/commands") for path in server.paths)
        if waits and server.revision == 1:
            server.set_config({**BASE, "config": {"log_level": "debug"}})
        return len(states(server)) == 2

    run(folder, server, changed)


def test_a_digest_is_that_of_the_text_that_the_protocol_describes():
    # printf '%s' '{"a":{"b":[1,2.5,true,null],"ü":"€"}}' | sha256sum
    assert config.digest_of({"a": {"ü": "€", "b": [1, 2.5, True, None]}}) == (
        "sha256:bd4615515671c82e265a839842352cd0c870a0e9976c45672c4eac53d8451de5"
    )


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"revision": -1, "digest": "d", "document": {}},
        {"revision": True, "digest": "d", "document": {}},
        {"revision": 1, "digest": None, "document": {}},
        {"revision": 1, "digest": "d"},
        {"revision": 2**60, "digest": "d", "document": {}},
    ],
)
def test_what_is_no_answer_about_config_changes_nothing(body):
    assert config.read(body) is None


def test_half_a_character_makes_a_document_useless_and_its_digest_is_not_repeated():
    found = config.read({"revision": 1, "digest": "\ud800", "document": {"config": "\ud800"}})
    assert found.problem
    assert found.digest is None
    assert found.document is None

"""Plans: what a device would do to a patch of its config, as it says itself."""

import json

import pytest

from cli.devices import asked, made

PATCH = {"services": {"web": {"image": "nginx:1"}}}


def answered(cli, box, result, *options, patch=None, stdin=None, state="succeeded"):
    """Run ``config plan`` while the device answers; return exit code, what is said, the command."""
    given = json.dumps(PATCH) if patch is None else patch
    line = ("config", "plan", box.id, "--patch", given, "--every", "0.5", *options)
    process = cli.start(*line, **({} if stdin is None else {"stdin": stdin}))
    command = {}
    for _ in range(2000):
        got = box.send()["commands"]
        if got or process.poll() is not None:
            command = got[0] if got else {}
            break
    assert command, process.communicate()
    told = {} if result is None else {"result": result}
    box.send(commands=[{"id": command["id"], "state": state, "error": None, **told}])
    out, errors = process.communicate(timeout=60)
    return process.returncode, out, errors, command


def test_a_plan_says_what_the_device_would_do_and_changes_nothing(cli):
    box = made(cli, "planned")
    before = asked(cli, f"devices/{box.id}/config")
    effects = ["start the service web (nginx:1)", "restart the stream door"]
    code, out, errors, command = answered(cli, box, {"effects": effects, "problems": []})
    assert code == 0, errors
    assert command["arguments"]["document"]["services"] == PATCH["services"]
    assert out.splitlines() == [f"would: {one}" for one in effects]
    assert asked(cli, f"devices/{box.id}/config") == before


def test_a_problem_is_told_and_is_a_failure(cli):
    box = made(cli, "stopped")
    result = {"effects": ["start the service web"], "problems": ["there is no Docker here"]}
    code, out, _, _ = answered(cli, box, result)
    assert code == 1
    assert "problem: there is no Docker here" in out.splitlines()
    code, out, _, _ = answered(cli, box, result, "--json")
    assert code == 1
    assert json.loads(out)["result"] == result


def test_a_plan_that_does_nothing_says_so(cli):
    box = made(cli, "idle")
    code, out, _, _ = answered(cli, box, {"effects": [], "problems": []})
    assert (code, out) == (0, "nothing would change\n")


@pytest.mark.parametrize("result", [None, {}, {"effects": "start"}])
def test_an_agent_that_does_not_say_what_it_would_do_is_no_success(cli, result):
    box = made(cli, f"old {result}")
    code, _, errors, _ = answered(cli, box, result)
    assert code == 1
    assert "did not say" in errors


def test_what_a_device_answers_is_shown_whatever_it_is_and_moves_no_terminal(cli):
    box = made(cli, "odd")
    result = {"effects": ["a\x1b[2Jb", {"more": 1}], "problems": []}
    code, out, _, _ = answered(cli, box, result)
    assert code == 0
    assert "\x1b" not in out
    assert '{"more": 1}' in out


def test_a_patch_comes_from_a_file_or_from_standard_input(cli, tmp_path):
    box = made(cli, "files")
    file = tmp_path / "patch.json"
    file.write_text(json.dumps(PATCH))
    result = {"effects": [], "problems": []}
    code, _, errors, command = answered(cli, box, result, patch=file)
    assert code == 0, errors
    assert command["arguments"]["document"]["services"] == PATCH["services"]
    with file.open() as stdin:
        code, _, errors, command = answered(cli, box, result, patch="-", stdin=stdin)
    assert code == 0, errors
    assert command["arguments"]["document"]["services"] == PATCH["services"]


@pytest.mark.parametrize(
    ("patch", "code", "said"),
    [
        ("{", 2, "JSON"),
        ("[]", 1, "[]"),
        ('{"services": []}', 2, "services"),
        ('{"services": {"a": {"password": "********"}}}', 2, "secret"),
        ("no-such-file.json", 1, "no-such-file.json"),
    ],
)
def test_a_patch_that_no_device_could_apply_is_not_sent(cli, patch, code, said):
    box = made(cli, f"refused {said}")
    assert said in cli.refused(code, "config", "plan", box.id, "--patch", patch)
    assert box.send()["commands"] == []


def test_it_stands_beside_the_other_words_of_a_devices_config(cli):
    box = made(cli, "beside")
    done = cli.run(
        *("device", "config", "plan", box.id, "--patch", "{}"),
        *("--timeout", "1s", "--every", "0.5"),
    )
    assert done.returncode == 1
    (got,) = box.send()["commands"]
    assert got["kind"] == "plan"


@pytest.mark.parametrize(("would_apply", "code"), [(True, 0), (False, 1)])
def test_what_our_agent_answers_is_said_in_sentences_and_decides(cli, would_apply, code):
    box = made(cli, f"ours {code}")
    result = {
        "would_apply": would_apply,
        "effects": [
            {"do": "prepare", "service": "web", "image": "nginx:1", "pull_bytes": 7},
            {"do": "start", "service": "web", "image": "nginx:1"},
            {"do": "stop_stream", "stream": "door"},
        ],
        "obstacles": [{"service": "web", "kind": "port_taken", "detail": "port 80 is taken"}],
        "notes": [{"service": "api", "kind": "pull_size_unknown", "detail": "size unknown"}],
    }
    ended, out, _, _ = answered(cli, box, result)
    assert ended == code
    assert out.splitlines() == [
        "would: prepare web (nginx:1), 7 bytes to pull",
        "would: start web (nginx:1)",
        "would: stop stream door",
        "problem: web: port 80 is taken",
        "note: api: size unknown",
    ]

"""The program as a whole: what it loads, what each command takes, how faults of its own look."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from moorage.cli.main import app
from moorage.cli.owner.outcomes import Exit, code_of, explain
from moorage.sdk.answers import Answer, refusal

OWNER_MODULES = Path(__file__).parents[2] / "src" / "moorage" / "cli" / "owner"


def leaves(group, path=()):
    """Each command by the words that call it."""
    for name, command in group.commands.items():
        here = (*path, name)
        inner = getattr(command, "commands", None)
        if inner is None:
            yield here, command
        else:
            yield from leaves(command, here)


OWNERS = {
    path: command
    for path, command in leaves(typer.main.get_command(app))
    if command.callback.__module__.startswith("moorage.cli.owner.")
}


def options_of(command):
    return {option for param in command.params for option in param.opts}


def test_the_owners_commands_are_those_that_are_looked_at():
    assert {("login",), ("audit",), ("device", "list"), ("device", "config", "edit")} <= set(OWNERS)
    assert ("serve",) not in OWNERS


@pytest.mark.parametrize("path", OWNERS, ids=" ".join)
def test_each_owners_command_speaks_json_and_takes_a_profile(path):
    options = options_of(OWNERS[path])
    assert "--json" in options
    if path != ("profiles",):
        assert "--profile" in options


CHANGING = {
    "create",
    "add",
    "update",
    "tag",
    "delete",
    "edit",
    "rollback",
    "send",
    "cancel",
    "roll",
}
CHANGING |= {"revoke", "roboflow", "set", "payload", "release", "rotate-key"}
CHANGING |= {"pause", "resume", "terminate", "trigger"}


@pytest.mark.parametrize("path", [p for p in OWNERS if p[-1] in CHANGING], ids=" ".join)
def test_each_command_that_changes_something_can_be_tried_first(path):
    assert "--dry-run" in options_of(OWNERS[path])


@pytest.mark.parametrize("path", OWNERS, ids=" ".join)
def test_each_command_and_option_says_what_it_is(path):
    assert OWNERS[path].help
    for param in OWNERS[path].params:
        assert (param.help or "").strip(), param.name


def loaded_by(*statements):
    code = ";".join(["import sys", *statements, "print('\\n'.join(sys.modules))"])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {name.split(".")[0] for name in done.stdout.split()} | set(done.stdout.split())


def test_help_loads_neither_the_server_nor_the_client():
    loaded = loaded_by("import moorage.cli.main")
    assert not loaded & {"httpx", "asyncio", "sqlalchemy", "pydantic", "moorage.sdk", "rich.table"}


def test_an_owners_commands_reach_no_code_of_the_servers():
    """`pip install moorage` without the server's parts is enough for an owner."""
    names = [
        path.stem
        for path in OWNER_MODULES.glob("*.py")
        if path.stem not in ("__init__", "__main__")
    ]
    assert "devices" in names
    loaded = loaded_by(*(f"import moorage.cli.owner.{name}" for name in sorted(names)))
    parts = {"core", "dialects", "ingest", "kit", "server", "storage", "migrations"}
    assert not loaded & ({f"moorage.{part}" for part in parts} | {"sqlalchemy", "pydantic"})


def completed(env):
    program = Path(sys.executable).with_name("moorage")
    done = subprocess.run(
        [program], env={**os.environ, **env}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_can_be_told_how_to_complete(shell):
    assert f"complete_{shell}" in completed({"_MOORAGE_COMPLETE": f"source_{shell}"})


def test_completion_knows_the_commands():
    words = {"COMP_WORDS": "moorage device ", "COMP_CWORD": "2"}
    found = completed({"_MOORAGE_COMPLETE": "complete_bash", **words}).split()
    assert {"list", "create", "logs", "config"} <= set(found)
    assert "serve" not in found


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (401, Exit.AUTH),
        (403, Exit.AUTH),
        (404, Exit.NOT_FOUND),
        (409, Exit.CONFLICT),
        (410, Exit.NOT_FOUND),
        (412, Exit.CONFLICT),
        (413, Exit.USAGE),
        (422, Exit.USAGE),
        (429, Exit.LIMITED),
        (500, Exit.FAILED),
        (503, Exit.FAILED),
        (507, Exit.FAILED),
    ],
)
def test_exit_codes_follow_the_refusal(status, code):
    assert code_of(refusal(Answer(status, {}, b""))) == code


def test_exit_codes_are_the_numbers_scripts_know():
    assert {one.name: int(one) for one in Exit} == {
        "OK": 0,
        "FAILED": 1,
        "USAGE": 2,
        "NOT_FOUND": 3,
        "AUTH": 4,
        "CONFLICT": 5,
        "LIMITED": 6,
        "PARTIAL": 7,
    }


def test_a_fault_of_our_own_is_one_sentence_too(capsys, monkeypatch):
    monkeypatch.delenv("MOORAGE_DEBUG", raising=False)
    assert explain(KeyError("sk_live_secret")) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "KeyError" in line
    assert "MOORAGE_DEBUG" in line
    assert "sk_live_secret" not in line
    monkeypatch.setenv("MOORAGE_DEBUG", "1")
    explain(KeyError("x"))
    assert "KeyError" in capsys.readouterr().err


def test_a_reader_that_goes_away_ends_a_list_without_a_traceback(cli):
    for n in range(3):
        cli.ok("device", "create", f"pipe {n}")
    ours, theirs = os.pipe()
    os.close(ours)
    done = subprocess.run(
        [sys.executable, "-m", "moorage.cli", "device", "list"],
        env=cli.environment(),
        stdout=theirs,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    os.close(theirs)
    assert "Traceback" not in done.stderr
    assert "fault" not in done.stderr


def test_json_is_one_document_and_alone(cli):
    done = cli.run("device", "create", "alone", "--json")
    assert json.loads(done.stdout)["name"] == "alone"
    assert done.stderr == ""

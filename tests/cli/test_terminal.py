"""What a person at a terminal sees, and that progress never gets into the result."""

import json
import os
import pty
import sys

from cli.devices import made
from cli.terminal import at_a_terminal, plain, until_closed


def test_an_id_is_shown_whole_and_a_name_is_no_markup(cli):
    box = made(cli, "cam [bold]1[/bold]", tags=["[red]x"], reference="a long reference of its own")
    code, shown = at_a_terminal(cli, "device", "list", "-q", "cam")
    assert code == 0
    assert box.id in plain(shown)
    assert "[bold]1" in plain(shown)
    assert "[red]x" in plain(shown)


def test_progress_is_drawn_beside_the_result_and_not_in_it(cli, tmp_path):
    table = tmp_path / "devices.csv"
    table.write_text("name\n" + "".join(f"drawn {n}\n" for n in range(5)))
    result = tmp_path / "result.json"
    code, shown = at_a_terminal(
        cli, "device", "import", "--csv", table, "--json", stdout=str(result)
    )
    assert code == 0
    assert "making devices" in shown
    assert [row["result"] for row in json.loads(result.read_text())] == ["made"] * 5
    assert "making devices" not in cli.run("device", "import", "--csv", table, "--dry-run").stderr


def test_a_question_is_answered_with_no_unless_yes_is_typed(cli):
    made(cli, "kept")
    for typed in (b"\n", b"n\n", b"what\n"):
        code, shown = at_a_terminal(cli, "device", "delete", "kept", typed=typed)
        assert code == 2
        assert "kept" in shown
        assert "nothing was changed" in shown
    assert cli.json("device", "get", "kept")["name"] == "kept"
    code, _ = at_a_terminal(cli, "device", "delete", "kept", typed=b"yes\n")
    assert code == 0
    cli.refused(3, "device", "get", "kept")


def test_an_address_and_a_key_are_asked_for_and_the_key_is_not_echoed(anonymous):
    process, terminal = pty.fork()
    if process == 0:  # pragma: no cover - the other process
        command = [sys.executable, "-m", "moorage.cli", "login"]
        os.execve(sys.executable, command, anonymous.environment())
    shown = b""
    # Each is typed when it is asked for: what is typed before is echoed by the terminal itself.
    for question, answer in (("Server: ", anonymous.url), ("Key: ", anonymous.key)):
        while question.encode() not in shown:
            shown += os.read(terminal, 1024)
        os.write(terminal, f"{answer}\n".encode())
    shown += until_closed(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0
    assert anonymous.key.encode() not in shown
    anonymous.ok("device", "list")

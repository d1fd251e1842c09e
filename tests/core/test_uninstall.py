"""Taking the agent off a device leaves nothing of it, and everything that is not its own."""

import ast
import subprocess
from pathlib import Path

import pytest

import moorage_agent
from moorage.core.provisioning.installer import render_install_script

# The store, what SQLite makes beside it, and what is made of it.
STORE = {"agent.db", *(f"agent.db{end}" for end in ("-wal", "-shm", "-journal", ".new", ".next"))}


def test_every_file_the_agent_can_make_is_removed(tmp_path):
    names = files_beside_the_store()
    assert {"lock", "trial", "journal-cursor"} <= names, "the source is read as it is written"
    store = tmp_path / "there" / "var"
    store.mkdir(parents=True)
    for name in STORE | names | {f"{name}.new" for name in names}:
        (store / name).touch()
    done = uninstall(tmp_path / "there")
    assert "kept" not in done
    assert not (tmp_path / "there").exists()


@pytest.mark.parametrize("folder", ["var", "lib"])
def test_what_is_not_the_agents_stays_and_is_told(tmp_path, folder):
    own = tmp_path / "there" / folder / "notes.txt"
    own.parent.mkdir(parents=True)
    own.write_text("mine")
    assert f"{own.parent} is kept" in uninstall(tmp_path / "there")
    assert own.read_text() == "mine"


def uninstall(prefix: Path) -> str:
    script = render_install_script(
        server_url="http://moorage.test", token=None, agent_sha256="0" * 64
    )
    done = subprocess.run(
        ["sh", "-s", "--", "--prefix", str(prefix), "--uninstall"],
        input=script,
        text=True,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def files_beside_the_store() -> set[str]:
    """The names that the agent's source joins to ``folder``, which is its store's throughout."""
    found = set()
    for file in Path(moorage_agent.__path__[0]).glob("*.py"):
        tree = ast.parse(file.read_text("utf-8"))
        constants = {
            target.id: statement.value.value
            for statement in tree.body
            if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Constant)
            for target in statement.targets
            if isinstance(target, ast.Name)
        }
        for call in ast.walk(tree):
            if not (isinstance(call, ast.Call) and ast.unparse(call.func) == "os.path.join"):
                continue
            match call.args:
                case [ast.Name("folder"), ast.Constant(str(name))]:
                    found.add(name)
                case [ast.Name("folder"), ast.Name(constant)] if constant in constants:
                    found.add(constants[constant])
    return found

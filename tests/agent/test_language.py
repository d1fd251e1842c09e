"""The agent runs wherever Python 3.8 does, with nothing beside it."""

import subprocess
import sys
from pathlib import Path

import pytest

from moorage.core.provisioning import agent_zipapp

SOURCE = Path(__file__).parents[2] / "src"
_CLOSURE = """
import sys
before = set(sys.modules)
import pkgutil, importlib, moorage_agent
for module in pkgutil.iter_modules(moorage_agent.__path__):
    if module.name != "__main__":
        importlib.import_module("moorage_agent." + module.name)
foreign = sorted(
    name for name in set(sys.modules) - before
    if name.split(".")[0] not in sys.stdlib_module_names | {"moorage_agent"}
)
assert not foreign, foreign
"""


def interpreters(version: str) -> list[str]:
    """Where a Python of that version may be: a candidate must run to count, a shim may not."""
    places = [f"python{version}", *Path.home().glob(f".pyenv/versions/{version}*/bin/python3")]
    return [str(place) for place in places if runs(str(place))]


def runs(python: str) -> bool:
    try:
        done = subprocess.run(
            [python, "-c", "import sqlite3, ssl"], capture_output=True, check=False
        )
    except OSError:
        return False
    return done.returncode == 0


def test_every_module_is_python_3_8():
    done = subprocess.run(
        [
            *(Path(sys.executable).with_name("vermin"), "--quiet", "--no-tips", "--violations"),
            *("--target=3.8-", SOURCE / "moorage_agent"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_every_module_imports_the_standard_library_only():
    code = f"import sys; sys.path.insert(0, {str(SOURCE)!r}){_CLOSURE}"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def report_status(python: str, folder: Path) -> str:
    path = folder / "moorage-agent.pyz"
    path.write_bytes(agent_zipapp().content)
    done = subprocess.run(
        [python, path, "status", "--dir", folder / "store"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_one_file_runs_on_the_oldest_supported_python(tmp_path):
    found = interpreters("3.8")
    if not found:
        pytest.skip("no working Python 3.8 on this machine")
    assert "reports_waiting" in report_status(found[0], tmp_path)


def test_the_one_file_runs_on_the_newest_python_there_is(tmp_path):
    found = [p for minor in (15, 14, 13, 12) for p in interpreters(f"3.{minor}")]
    assert "reports_waiting" in report_status([*found, sys.executable][0], tmp_path)

"""The order of the house, as tests."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CORE = ROOT / "src" / "moorage" / "core"
PRIVATE = {"store", "tables", "listing", "service", "rules", "model"}


def _imports(path: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return found


def test_every_import_contract_holds():
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    "capability", sorted(p.name for p in CORE.iterdir() if (p / "__init__.py").exists())
)
def test_the_inside_of_a_capability_is_imported_from_inside_only(capability):
    inside = CORE / capability
    private = {f"moorage.core.{capability}.{name}" for name in PRIVATE}
    offenders = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in (ROOT / "src" / "moorage").rglob("*.py")
        if inside not in path.parents
        for name in _imports(path)
        if name in private
    ]
    assert not offenders


def test_sql_is_written_in_stores_and_storage_only():
    allowed = {
        "store.py",
        "token_store.py",
        "session_store.py",
        "tables.py",
        "listing.py",
        "timeline.py",
    }
    offenders = [
        str(path.relative_to(ROOT))
        for folder in ("core", "dialects", "console", "ingest", "server", "cli", "kit")
        for path in (ROOT / "src" / "moorage" / folder).rglob("*.py")
        if path.name not in allowed and any(n.startswith("sqlalchemy") for n in _imports(path))
    ]
    assert not offenders


def test_the_engine_is_asked_for_its_name_nowhere_above_storage():
    offenders = [
        str(path.relative_to(ROOT))
        for path in (ROOT / "src" / "moorage").rglob("*.py")
        if "storage" not in path.parts and "migrations" not in path.parts
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute)
        and node.attr == "name"
        and isinstance(node.value, ast.Attribute)
        and node.value.attr == "engine"
    ]
    assert not offenders


def test_importing_the_server_opens_and_starts_nothing(tmp_path):
    code = (
        "import threading, os; import moorage.server, moorage.cli.main, moorage.dialects.native;"
        "assert threading.active_count() == 1; assert os.listdir('.') == []"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()

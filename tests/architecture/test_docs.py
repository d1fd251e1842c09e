"""The documentation says what the code does."""

import importlib.util
import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from moorage.server import Settings

ROOT = Path(__file__).parents[2]
DECISIONS = ROOT / "docs" / "decisions"
SECTIONS = ["## Context", "## Decision", "## Consequences", "## Alternatives"]
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
_OTHERS = ("http://", "https://", "mailto:")


def _pages() -> list[Path]:
    found = [*ROOT.glob("*.md")]
    for folder in ("docs", "src", "bench", "tests", "tools"):
        found += (ROOT / folder).rglob("*.md")
    return sorted(path for path in found if "results" not in path.parts)


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _anchors(page: str) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", page), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.strip().replace(" ", "-") for heading in plain}


@pytest.fixture(scope="module")
def reference():
    spec = importlib.util.spec_from_file_location("reference", ROOT / "tools" / "reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_generated_reference_is_current(reference):
    stale = [_name(path) for path, text in reference.pages().items() if path.read_text() != text]
    assert not stale, "run `make docs`"


def test_every_error_code_raised_has_advice(reference):
    assert reference.error_codes().keys() == reference.ADVICE.keys()


@pytest.mark.parametrize("page", _pages(), ids=_name)
def test_every_relative_link_leads_somewhere(page):
    broken = []
    for target in _LINK.findall(_FENCE.sub("", page.read_text("utf-8"))):
        if target.startswith(_OTHERS):
            continue
        path, _, anchor = target.partition("#")
        there = page.parent / path if path else page
        if not there.exists() or (anchor and anchor not in _anchors(there.read_text("utf-8"))):
            broken.append(target)
    assert not broken


@pytest.mark.parametrize("page", sorted(DECISIONS.glob("[0-9]*.md")), ids=_name)
def test_every_decision_has_its_four_parts(page):
    headings = re.findall(r"^## .+$", page.read_text("utf-8"), re.MULTILINE)
    assert headings == SECTIONS


def test_decisions_are_numbered_without_gaps_and_listed():
    names = sorted(path.name for path in DECISIONS.glob("[0-9]*.md"))
    assert [int(name[:4]) for name in names] == list(range(1, len(names) + 1))
    listed = _LINK.findall((DECISIONS / "README.md").read_text("utf-8"))
    assert listed == names


def test_the_readme_says_how_to_run_and_how_to_test():
    readme = (ROOT / "README.md").read_text("utf-8")
    assert "`make demo`" in readme
    assert "`make test`" in readme


def test_every_command_of_make_that_is_named_exists():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    there = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    named = {
        name
        for page in _pages()
        for name in re.findall(r"(?:^|`)make ([a-z]+)", page.read_text("utf-8"), re.MULTILINE)
    }
    assert named <= there


def _undescribed(model: type[BaseModel], prefix: str = "") -> list[str]:
    found = []
    for name, field in model.model_fields.items():
        if not (field.description or "").strip():
            found.append(prefix + name)
        default = field.get_default(call_default_factory=True)
        if isinstance(default, BaseModel):
            found += _undescribed(type(default), f"{prefix}{name}.")
    return found


def test_every_setting_has_a_description():
    assert not _undescribed(Settings)


def test_every_dialect_has_a_readme():
    dialects = ROOT / "src" / "moorage" / "dialects"
    folders = [
        path.parent for path in dialects.glob("*/__init__.py") if path.parent.name != "common"
    ]
    assert folders
    assert not [folder.name for folder in folders if not (folder / "README.md").exists()]

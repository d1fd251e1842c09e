"""The container image's recipe: what it must be, read from it; CI builds it where it can."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def steps():
    """Instructions with what follows them, of the last stage."""
    text = (ROOT / "Containerfile").read_text("utf-8")
    lines = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)).splitlines()
    last = max(at for at, line in enumerate(lines) if line.startswith("FROM "))
    return [tuple(line.split(maxsplit=1)) for line in lines[last:] if line.strip()]


def values(steps, instruction):
    return [rest for name, rest in steps if name == instruction]


def test_it_runs_as_a_user_by_number_who_is_not_root(steps):
    (user,) = values(steps, "USER")
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", user), "a number, so that a cluster can check it"
    last_user = max(at for at, (name, _) in enumerate(steps) if name == "USER")
    assert not [name for name, _ in steps[last_user:] if name in {"RUN", "COPY", "ADD"}]


def test_all_that_is_kept_is_in_one_volume(steps):
    assert values(steps, "VOLUME") == ["/data"]
    assert "MOORAGE_DATA=/data" in values(steps, "ENV")[0]


def test_health_is_that_the_server_is_ready(steps):
    (check,) = values(steps, "HEALTHCHECK")
    assert "/readyz" in check
    code = re.search(r'"-c", "(.+)"\]', check)[1]
    compile(code, "HEALTHCHECK", "exec")


def test_signals_reach_the_server_itself(steps):
    """A shell in between would keep SIGTERM, and reports under way would be cut off."""
    for name in ("ENTRYPOINT", "CMD"):
        assert [rest[0] for rest in values(steps, name)] == ["["]


def test_requirements_are_installed_by_hash_and_nothing_is_fetched_by_address():
    text = (ROOT / "Containerfile").read_text("utf-8")
    assert "--require-hashes" in text
    assert not re.search(r"^ADD ", text, re.MULTILINE)
    assert not re.search(r"https?://(?!127\.0\.0\.1)", text)


def test_every_file_the_recipe_takes_is_let_into_the_build():
    text = (ROOT / "Containerfile").read_text("utf-8")
    let_in = (ROOT / ".containerignore").read_text("utf-8")
    assert (ROOT / ".dockerignore").read_text("utf-8") == let_in
    taken = [
        word
        for line in re.findall(r"^COPY (?!--from)(.+)$", text, re.MULTILINE)
        for word in line.split()[:-1]
    ]
    for path in taken:
        assert (ROOT / path).exists(), path
        assert f"!{path}\n" in let_in, path

"""What pages load, and the page where what they load is missing."""

import gzip
import re
from pathlib import Path

import httpx

from dialects.native_kit import on_sqlite
from moorage.console import app as application
from moorage.console.statics import FOLDER, Statics

ROOT = Path(__file__).parents[2]
TEMPLATES = ROOT / "src/moorage/console/templates"


@on_sqlite
async def test_files_are_kept_for_good_and_go_compressed(running):
    url = Statics().url("vendor/htmx.min.js")
    answer = await running.client.get(url, headers={"Accept-Encoding": "gzip"})
    assert answer.status_code == 200
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.content == (FOLDER / "vendor/htmx.min.js").read_bytes()
    plain = await running.client.get(url, headers={"Accept-Encoding": "identity"})
    assert plain.content == answer.content
    assert len(gzip.compress(plain.content)) < len(plain.content)


@on_sqlite
async def test_a_page_of_an_older_server_still_finds_its_files(running):
    old = await running.client.get("/console/static/0000000000000000/js/app.js")
    assert (old.status_code, old.headers["cache-control"]) == (200, "no-cache")


@on_sqlite
async def test_no_other_file_is_served(running):
    for name in ("../app.py", "..%2f..%2fapp.py", "js/nothing.js", "", "js", "/etc/passwd"):
        answer = await running.client.get(f"/console/static/{Statics().digest}/{name}")
        assert answer.status_code == 404, name


def test_every_icon_that_a_template_names_is_in_the_sprite():
    there = set((ROOT / "frontend/icons.txt").read_text().split())
    named = set()
    for path in TEMPLATES.rglob("*.html"):
        named |= set(re.findall(r"icon\(\"([a-z0-9-]+)\"", path.read_text()))
    assert named - there == set()
    sprite = (FOLDER / "vendor/icons.svg").read_text()
    assert {name for name in there if f'id="{name}"' not in sprite} == set()


@on_sqlite
async def test_without_its_parts_the_console_says_what_is_missing(running, monkeypatch, tmp_path):
    monkeypatch.setattr(application, "Statics", lambda: Statics(tmp_path))
    async with running.app.running() as services:
        bare = application.create_app(services)
        transport = httpx.ASGITransport(bare)
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            answer = await client.get("/console")
    assert answer.status_code == 503
    assert "make setup" in answer.text
    assert "htmx.min.js" in answer.text

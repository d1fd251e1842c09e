"""A program in the place of an editor, and what a refused edit keeps."""

import stat
from pathlib import Path


def editor(cli, tmp_path, body: str) -> Path:
    """Let `edit` run a program that is given the document as `layer` and the file as `path`."""
    script = tmp_path / "editor.py"
    script.write_text(
        "import json, os, pathlib, sys, urllib.request\n"
        "path = pathlib.Path(sys.argv[1])\n"
        "layer = json.loads(path.read_text())\n"
        f"{body}\n"
        "path.write_text(json.dumps(layer))\n"
    )
    cli.env = {"EDITOR": f"python3 '{script}'"}
    return script


def kept_by(cli, done):
    """The file that a refused edit says it kept, and that it is for its owner only."""
    (note,) = [line for line in done.stderr.splitlines() if "is kept in" in line]
    path = Path(note.partition("is kept in ")[2].partition(";")[0])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.is_relative_to(cli.home / "state")
    return path

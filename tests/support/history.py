"""A longer history of migrations than this release's, as the next release would bring."""

import shutil
from pathlib import Path

from moorage.storage import migrate

_HEAD = '''"""A step of a release that there is not yet."""

import time
from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = "{before}"


def upgrade() -> None:
'''
_FIRST = """\
    op.create_table("added", sa.Column("id", sa.Text(), nullable=False))
    op.execute("INSERT INTO added (id) SELECT job FROM job_turns")
"""
# Half of its work done, it says so and waits, as long as nobody takes the word away.
_SECOND = """\
    op.add_column("added", sa.Column("note", sa.Text()))
    op.execute("UPDATE added SET note = 'half'")
    half, deadline = Path({half!r}), time.monotonic() + 60
    if half.parent.exists():
        half.touch()
        while half.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
    op.execute("UPDATE added SET note = 'whole'")
"""


def longer(folder: Path, half: Path) -> Path:
    """A copy of the history with two steps more; the second waits while ``half`` is there.

    It does so only where the folder of ``half`` exists. Versions 9001 and 9002.
    """
    scripts = folder / "migrations"
    shutil.copytree(migrate._SCRIPTS, scripts)
    steps = (("9001", migrate.newest_version(), _FIRST), ("9002", "9001", _SECOND))
    for revision, before, body in steps:
        text = _HEAD.format(revision=revision, before=before) + body.format(half=str(half))
        (scripts / "versions" / f"{revision}_more.py").write_text(text)
    return scripts

# ruff: noqa: INP001 - a tool, no package
"""Write the schema that the migrations end in, as each engine shows it.

Run by ``python tools/schema.py``; ``tests/storage/test_schema.py`` holds the files to the history.
"""

import asyncio
import re
import sqlite3
import sys
import tempfile
from pathlib import Path
from typing import Any

from moorage.storage import open_database
from moorage.storage.migrate import migrate

ROOT = Path(__file__).resolve().parents[1]
SCHEMAS = ROOT / "src" / "moorage" / "migrations"

_HEAD = """\
-- What the migrations end in, as {engine} shows it. Nothing reads this file but people.
-- Made by `python tools/schema.py`; a test keeps it so.
"""


def path_of(engine: str) -> Path:
    """Return the file of an engine."""
    return SCHEMAS / f"schema.{engine}.sql"


def sqlite_schema(path: Path) -> str:
    """Return what an SQLite file keeps of its schema, each table with its indexes."""
    connection = sqlite3.connect(path)
    rows = connection.execute(
        # Tables with quoted names are SQLite's own, behind a virtual one.
        "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND sql NOT LIKE 'CREATE TABLE ''%' "
        "ORDER BY tbl_name, type DESC, name"
    ).fetchall()
    connection.close()
    return _HEAD.format(engine="SQLite") + "".join(f"\n{_tidy(sql)};\n" for (sql,) in rows)


def postgres_schema(server: Any, database: str) -> str:
    """Return what ``pg_dump`` says of a database's schema, without what it says of itself."""
    dumped = server.dump_schema(database)
    own = re.compile(
        r"^(--|SET |COMMENT ON EXTENSION |SELECT pg_catalog\.set_config|\\(un)?restrict )"
    )
    kept = "\n".join(line for line in dumped.splitlines() if not own.match(line))
    return _HEAD.format(engine="pg_dump") + "\n" + re.sub(r"\n{3,}", "\n\n", kept).strip() + "\n"


def _tidy(sql: str) -> str:
    return "\n".join(line.rstrip() for line in sql.replace("\t", "    ").splitlines())


async def _migrated(url: str) -> None:
    db = open_database(url)
    await migrate(db)
    await db.close()


def main() -> None:
    """Write both files."""
    # The tests have a PostgreSQL of their own; it is no business of the product's.
    sys.path.insert(0, str(ROOT / "tests"))
    from support.postgres import PostgresServer  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "moorage.db"
        asyncio.run(_migrated(f"sqlite:///{file}"))
        path_of("sqlite").write_text(sqlite_schema(file), "utf-8")
    server = PostgresServer()
    try:
        asyncio.run(_migrated(server.url()))
        path_of("postgresql").write_text(postgres_schema(server, "postgres"), "utf-8")
    finally:
        server.close()
    for engine in ("sqlite", "postgresql"):
        print(path_of(engine).relative_to(ROOT), file=sys.stderr)  # noqa: T201 - it is a tool


if __name__ == "__main__":
    main()

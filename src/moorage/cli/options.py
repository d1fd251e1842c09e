"""Options that several commands take."""

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[
    Path | None, typer.Option("--data", help="Folder of database and keys.", show_default=False)
]
Database = Annotated[
    str | None,
    typer.Option(
        "--database",
        help="postgresql://user:password@host/name instead of SQLite. A password given here is "
        "seen in the process list; one in MOORAGE_DATABASE is not.",
        show_default=False,
    ),
]
KeysDir = Annotated[
    Path | None,
    typer.Option(
        "--keys-dir", help="Folder of the server's keys (PostgreSQL).", show_default=False
    ),
]
Config = Annotated[
    Path | None, typer.Option("--config", help="Settings as a TOML file.", show_default=False)
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]

"""``moorage backup``, ``restore`` and ``copy``: what they take."""

from pathlib import Path
from typing import Annotated

import typer

from moorage.cli.options import Config, Data, Database, Json, KeysDir

_PassphraseFile = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file", help="Read the passphrase here instead of asking.", show_default=False
    ),
]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(backup)
    app.command()(restore)
    app.command()(copy)


def backup(
    file: Annotated[Path, typer.Argument(help="The file to make; it must not be there yet.")],
    with_keys: Annotated[
        bool, typer.Option("--with-keys", help="Put the server's keys in, under a passphrase.")
    ] = False,
    passphrase_file: _PassphraseFile = None,
    json: Json = False,
    data: Data = None,
    database: Database = None,
    keys_dir: KeysDir = None,
    config: Config = None,
) -> None:
    """Write the whole database into one file and read it back. Works beside a running server."""
    from moorage.cli import backing_up

    backing_up.backup(
        config,
        file,
        with_keys=with_keys,
        passphrase_file=passphrase_file,
        as_json=json,
        data=data,
        database=database,
        keys_dir=keys_dir,
    )


def restore(
    file: Annotated[Path, typer.Argument(help="A backup, of either engine.")],
    with_keys: Annotated[
        bool, typer.Option("--with-keys", help="Put its keys back, where there are none.")
    ] = False,
    passphrase_file: _PassphraseFile = None,
    json: Json = False,
    data: Data = None,
    database: Database = None,
    keys_dir: KeysDir = None,
    config: Config = None,
) -> None:
    """Fill an empty database from a backup. Unspent tokens are void afterwards."""
    from moorage.cli import backing_up

    backing_up.restore(
        config,
        file,
        with_keys=with_keys,
        passphrase_file=passphrase_file,
        as_json=json,
        data=data,
        database=database,
        keys_dir=keys_dir,
    )


def copy(
    source: Annotated[
        str,
        typer.Option(
            "--from",
            envvar="MOORAGE_COPY_FROM",
            help="sqlite:///FILE or postgresql://user:password@host/name. A password given here is "
            "seen in the process list; one in MOORAGE_COPY_FROM is not.",
        ),
    ],
    target: Annotated[
        str,
        typer.Option(
            "--to", envvar="MOORAGE_COPY_TO", help="The same, of an empty database to fill."
        ),
    ],
    json: Json = False,
) -> None:
    """Move a database to the other engine. The server must be stopped; run it again if it ends."""
    from moorage.cli import backing_up

    backing_up.copy(source, target, as_json=json)

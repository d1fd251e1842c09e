"""What ``moorage backup``, ``restore`` and ``copy`` print and ask for."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import typer

from moorage.cli.server_side import chosen_settings, fail, plain_errors
from moorage.server import backup as backing
from moorage.server import copying
from moorage.server import restore as restoring
from moorage.server.logs import configure_logs
from moorage.server.sealing import SHORTEST_PASSPHRASE


def backup(
    config: Path | None,
    file: Path,
    *,
    with_keys: bool,
    passphrase_file: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Make a backup and read it back."""
    settings = chosen_settings(config, **options)
    configure_logs("warning", "text")
    if passphrase_file is not None and not with_keys:
        fail("a passphrase is for the keys: add --with-keys, or leave --passphrase-file out")
    passphrase = _passphrase(passphrase_file, anew=True) if with_keys else None
    with plain_errors():
        made = asyncio.run(backing.backup(settings, file, passphrase=passphrase))
    if as_json:
        shown = {
            "file": str(made.path),
            "bytes": made.size_bytes,
            "with_keys": made.with_keys,
            **_described(made.manifest),
        }
        typer.echo(json.dumps(shown))
        return
    tables = len(made.manifest.tables)
    typer.echo(
        f"{made.path}: {made.manifest.rows} rows of {tables} tables, {made.size_bytes} bytes"
    )
    typer.echo("Read back and found whole.")
    if not made.with_keys:
        typer.echo("The server's keys are not in it: keep the keys folder, or use --with-keys.")


def restore(
    config: Path | None,
    file: Path,
    *,
    with_keys: bool,
    passphrase_file: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Fill an empty database from a backup."""
    settings = chosen_settings(config, **options)
    configure_logs("warning", "text")
    wanted = with_keys or passphrase_file is not None
    passphrase = _passphrase(passphrase_file, anew=False) if wanted else None
    with plain_errors():
        done = asyncio.run(restoring.restore(settings, file, passphrase=passphrase))
    if as_json:
        shown = {
            "tokens_voided": done.tokens,
            "config_revision": done.revision,
            "keys": done.keys,
            **_described(done.manifest),
        }
        typer.echo(json.dumps(shown))
        return
    typer.echo(f"restored {done.manifest.rows} rows, as they were at {done.manifest.made_at}")
    typer.echo(f"{done.tokens} unspent tokens are void: make new ones where they are needed")
    typer.echo(f"config revisions go on from {done.revision}")
    if done.keys == "missing":
        typer.echo("The server's keys are not there: put their folder back before you start it.")


def copy(source: str, target: str, *, as_json: bool) -> None:
    """Move a database, and say how far it is on standard error."""
    configure_logs("warning", "text")
    with plain_errors():
        copied = asyncio.run(copying.copy(source, target, told=_Progress().tell))
    if as_json:
        typer.echo(
            json.dumps({one.name: {"rows": one.rows, "sum": one.checksum} for one in copied})
        )
        return
    width = max(len(one.name) for one in copied)
    for one in copied:
        typer.echo(f"{one.name:{width}}  {one.rows:>12}  {one.checksum}")
    typer.echo("Both sides count and sum alike. Start the server on the copy, not on the source.")


class _Progress:
    """A line when a table is done, and every second of one that takes long."""

    def __init__(self) -> None:
        self._told_at = time.monotonic()

    def tell(self, table: str, rows: int, done: bool) -> None:
        """Take note of a step."""
        now = time.monotonic()
        if (done and rows) or now - self._told_at >= 1:
            self._told_at = now
            typer.echo(f"{table}: {rows} rows{'' if done else ' so far'}", err=True)


def _described(manifest: Any) -> dict[str, Any]:
    tables = {
        part.table.name: {"rows": part.rows, "checksum": part.checksum} for part in manifest.tables
    }
    names = ("made_at", "made_by", "engine", "schema")
    return {**{name: getattr(manifest, name) for name in names}, "tables": tables}


def _passphrase(file: Path | None, *, anew: bool) -> str:
    """Read it from a file, or ask: on a terminal, unseen; what is new is asked for twice."""
    if file is None:
        text: str = typer.prompt("Passphrase", hide_input=True, confirmation_prompt=anew, err=True)
    else:
        try:
            text = file.read_text("utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            fail(f"the passphrase file {file} cannot be read: {error}")
    if anew and len(text) < SHORTEST_PASSPHRASE:
        fail(f"a passphrase has at least {SHORTEST_PASSPHRASE} characters; several words are good")
    return text

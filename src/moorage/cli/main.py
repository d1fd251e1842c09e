"""The command line: what each command takes. What it does is in the modules beside this."""

import gc
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from moorage.cli import admin, backups, servers, service, sim, tls
from moorage.cli.options import Config as _Config
from moorage.cli.options import Data as _Data
from moorage.cli.options import Database as _Database
from moorage.cli.options import KeysDir as _KeysDir
from moorage.cli.owner.commands import (
    audit,
    command,
    config,
    default_config,
    device,
    key,
    login,
    stream,
    token,
    workspace,
)

# Objects made and not yet freed, before the young ones are looked through.
_COLLECT_AFTER = 50_000

app = typer.Typer(
    name="moorage",
    help="Self-hosted control plane for fleets of edge devices.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on (8400).")] = None,
    data: _Data = None,
    database: _Database = None,
    keys_dir: _KeysDir = None,
    tls_cert: Annotated[Path | None, typer.Option(help="Certificate chain (PEM).")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its private key (PEM).")] = None,
    workers: Annotated[
        int | None, typer.Option(help="Server processes behind the port (1); needs PostgreSQL.")
    ] = None,
    config: _Config = None,
) -> None:
    """Run the server."""
    from moorage.cli import server_side

    server_side.serve(
        config,
        host=host,
        port=port,
        data=data,
        database=database,
        keys_dir=keys_dir,
        tls_cert=tls_cert,
        tls_key=tls_key,
        workers=workers,
    )


@app.command()
def bootstrap(
    workspace: Annotated[str, typer.Option(help="Slug of the workspace; it stands in URLs.")],
    name: Annotated[str | None, typer.Option(help="Its name for people.")] = None,
    feature: Annotated[list[str] | None, typer.Option(help="Switch one on.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False,
    data: _Data = None,
    database: _Database = None,
    keys_dir: _KeysDir = None,
    config: _Config = None,
) -> None:
    """Make a workspace if absent and print fresh keys for it. Works beside a running server."""
    from moorage.cli import server_side

    server_side.bootstrap(
        config,
        slug=workspace,
        name=name,
        features=feature or [],
        as_json=json,
        data=data,
        database=database,
        keys_dir=keys_dir,
    )


@app.command("admin-key")
def admin_key(
    json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False,
    data: _Data = None,
    database: _Database = None,
    keys_dir: _KeysDir = None,
    config: _Config = None,
) -> None:
    """Print a fresh key that may make workspaces through the API. Works beside a running server."""
    from moorage.cli import server_side

    server_side.admin_key(config, as_json=json, data=data, database=database, keys_dir=keys_dir)


@app.command()
def migrate(
    backup: Annotated[
        Path | None,
        typer.Option(
            help="File of the backup made before (SQLite: a copy beside the database; PostgreSQL: "
            "in backups/ of the data folder).",
            show_default=False,
        ),
    ] = None,
    no_backup: Annotated[bool, typer.Option("--no-backup", help="Make no backup before.")] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Only look whether something stands in the way.")
    ] = False,
    data: _Data = None,
    database: _Database = None,
    config: _Config = None,
) -> None:
    """Bring the database to this release's schema, after a backup. Ends whole or not at all."""
    from moorage.cli import server_side

    server_side.migrate(
        config,
        backup=not no_backup,
        target=backup,
        only_look=check,
        data=data,
        database=database,
    )


@app.command()
def settings(
    reference: Annotated[
        bool, typer.Option("--reference", help="Print the reference page instead (Markdown).")
    ] = False,
    data: _Data = None,
    database: _Database = None,
    config: _Config = None,
) -> None:
    """Print the settings in force, secrets masked."""
    from moorage.cli import server_side

    server_side.settings(config, reference=reference, data=data, database=database)


@app.command()
def doctor(
    json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False,
    data: _Data = None,
    database: _Database = None,
    keys_dir: _KeysDir = None,
    config: _Config = None,
) -> None:
    """Look at what the server needs, and say what to do about it. Changes nothing; 1 on errors."""
    from moorage.cli import server_side

    server_side.doctor(config, as_json=json, data=data, database=database, keys_dir=keys_dir)


@app.command()
def demo(
    port: Annotated[int, typer.Option(help="Port of the demo server.")] = 8400,
    data: Annotated[Path, typer.Option(help="Folder of the demo; removed by hand.")] = Path(
        ".moorage/demo"
    ),
    check: Annotated[
        bool,
        typer.Option(
            "--check", help="Free port, temporary folder; exit once the device is seen online."
        ),
    ] = False,
) -> None:
    """Start a server here and enrol this machine as its first device."""
    from moorage.cli.demo import run

    raise typer.Exit(run(port=port, data=data, check=check))


@app.command()
def version() -> None:
    """Print the version."""
    from moorage import __version__

    typer.echo(__version__)


backups.add_to(app)
for group in (
    admin,
    command,
    default_config,
    device,
    key,
    servers,
    service,
    sim,
    stream,
    tls,
    token,
    workspace,
):
    app.add_typer(group.app)
# Its place is below `device`; whoever leaves that out is understood.
app.add_typer(config.app, hidden=True)
login.add_to(app)
app.command()(audit.audit)


def main(*arguments: Any) -> None:
    """Enter here. What a command refuses ends in one sentence and a code scripts can go by."""
    # What is imported stays. Looking through it again and again is a sixth of a server's start.
    gc.set_threshold(_COLLECT_AFTER, 10, 10)
    try:
        app(*arguments)
    except Exception as error:  # noqa: BLE001 - the last one to see it
        from moorage.cli.owner.outcomes import explain

        sys.exit(explain(error))

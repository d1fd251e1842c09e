"""``moorage device import``: many devices at once, from a table or from another server."""

from pathlib import Path
from typing import Annotated

import typer

from moorage.cli.owner.commands.options import AsJson, DryRun, ProfileName

app = typer.Typer(name="import", help="Make many devices.", invoke_without_command=True)


@app.callback()
def import_devices(
    context: typer.Context,
    csv: Annotated[
        Path | None,
        typer.Option(
            help="A table with the columns name, type, tags (with ; between) and reference.",
            show_default=False,
        ),
    ] = None,
    dry_run: DryRun = False,
    json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Make devices from a table; a row whose reference is there already is skipped.

    Exit 7 when some rows failed.
    """
    if context.invoked_subcommand is not None:
        return
    from moorage.cli.owner import importing

    raise typer.Exit(importing.from_table(profile, csv, dry_run=dry_run, as_json=json))


@app.command()
def roboflow(
    source: Annotated[str, typer.Option("--from", help="Address of the server to read from.")],
    workspace: Annotated[str, typer.Option(help="Slug of the workspace there.")],
    key_stdin: Annotated[
        bool, typer.Option("--key-stdin", help="Read the key for it from standard input.")
    ] = False,
    ca_file: Annotated[
        Path | None,
        typer.Option(help="Certificates (PEM) to trust for it.", show_default=False),
    ] = None,
    dry_run: DryRun = False,
    json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Take over devices and configs from a server with the Deployment Manager API.

    Can be run again: a device's id there becomes its reference here, WORKSPACE:ID if it has the
    form of an id here, and what is here is skipped.
    Each device needs its install line run once: `moorage token create REFERENCE`. The key for the
    other server comes by --key-stdin, MOORAGE_SOURCE_KEY or a prompt.
    """
    from moorage.cli.owner import importing

    raise typer.Exit(
        importing.from_roboflow(
            profile,
            source,
            workspace,
            key_stdin=key_stdin,
            ca_file=ca_file,
            dry_run=dry_run,
            as_json=json,
        )
    )

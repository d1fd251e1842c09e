"""``moorage default-config ...``: what new devices of the workspace begin with."""

from pathlib import Path
from typing import Annotated

import typer

from moorage.cli.owner.commands.options import AsJson, DryRun, ProfileName

app = typer.Typer(name="default-config", help="What new devices begin with.", no_args_is_help=True)


@app.command()
def get(
    own: Annotated[bool, typer.Option("--own", help="Only the workspace's part of it.")] = False,
    json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Show the document new devices begin with, and its digest."""
    from moorage.cli.owner import defaults

    defaults.get(profile, own=own, as_json=json)


@app.command("set")
def replace(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="A JSON object; - is standard input.", allow_dash=True),
    ],
    if_match: Annotated[
        str | None,
        typer.Option(
            metavar="DIGEST",
            help="Refuse (exit 5) unless the default still has this digest.",
            show_default=False,
        ),
    ] = None,
    dry_run: DryRun = False,
    json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Put a file in the place of the workspace's part, for devices made from now on."""
    from moorage.cli.owner import defaults

    defaults.replace(profile, file, digest=if_match, dry_run=dry_run, as_json=json)


@app.command()
def edit(dry_run: DryRun = False, json: AsJson = False, profile: ProfileName = None) -> None:
    """Edit the workspace's part as JSON in $VISUAL or $EDITOR, for devices made from now on."""
    from moorage.cli.owner import defaults

    defaults.edit(profile, dry_run=dry_run, as_json=json)

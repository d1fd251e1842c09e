"""``moorage device config ...``: what a device is to run."""

from typing import Annotated

import typer

from moorage.cli.owner.commands.options import (
    AsJson,
    Device,
    DryRun,
    Every,
    Limit,
    ProfileName,
)

app = typer.Typer(name="config", help="What a device is to run.", no_args_is_help=True)


@app.command()
def get(
    device: Device,
    own: Annotated[bool, typer.Option("--own", help="Only the device's own layer.")] = False,
    origins: Annotated[
        bool, typer.Option("--origins", help="Each value with the layer that set it.")
    ] = False,
    revision: Annotated[
        int | None, typer.Option(min=1, help="An earlier revision.", show_default=False)
    ] = None,
    json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Show the document a device is to run, and what it proved to run."""
    from moorage.cli.owner import configs

    configs.get(profile, device, own=own, origins=origins, revision=revision, as_json=json)


@app.command()
def edit(
    device: Device, dry_run: DryRun = False, json: AsJson = False, profile: ProfileName = None
) -> None:
    """Edit the device's own layer as JSON in $VISUAL or $EDITOR; only what changed is sent.

    A value taken out becomes null: the device then runs without it, whatever the layers below say.
    """
    from moorage.cli.owner import editing

    editing.edit(profile, device, dry_run=dry_run, as_json=json)


@app.command()
def plan(
    device: Device,
    patch: Annotated[
        str,
        typer.Option(
            metavar="FILE|-|'{...}'",
            help="A merge patch of the device's own layer: a file of JSON, - for standard input, "
            "or the JSON itself.",
        ),
    ],
    timeout: Annotated[str, typer.Option(help="Wait no longer: 90s, 15m.")] = "1m",
    every: Every = 1.0,
    json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Ask the device what a patch would do to it, and change nothing; exit 1 on problems."""
    from moorage.cli.owner import planning
    from moorage.cli.owner.following import Asking
    from moorage.cli.owner.text import seconds

    asking = Asking(every, seconds(timeout))
    raise typer.Exit(planning.plan(profile, device, patch, asking, as_json=json))


@app.command()
def history(
    device: Device, limit: Limit = 50, json: AsJson = False, profile: ProfileName = None
) -> None:
    """List revisions, newest first, and what each changed."""
    from moorage.cli.owner import configs

    configs.history(profile, device, limit=limit, as_json=json)


@app.command()
def diff(
    device: Device,
    before: Annotated[
        int | None, typer.Argument(metavar="A", min=1, help="A revision.", show_default=False)
    ] = None,
    after: Annotated[
        int | None,
        typer.Argument(metavar="B", min=1, help="Another; else the present.", show_default=False),
    ] = None,
    applied: Annotated[
        bool, typer.Option("--applied", help="From what the device proved to run.")
    ] = False,
    json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Compare two revisions, or what the device runs with what it is to run."""
    from moorage.cli.owner import configs

    configs.diff(profile, device, before, after, applied=applied, as_json=json)


@app.command()
def rollback(
    device: Device,
    revision: Annotated[int, typer.Argument(min=1, help="The one to go back to.")],
    dry_run: DryRun = False,
    json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Make an earlier revision the one to run again, as a new revision."""
    from moorage.cli.owner import configs

    configs.rollback(profile, device, revision, dry_run=dry_run, as_json=json)

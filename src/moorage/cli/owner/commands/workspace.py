"""``moorage workspace ...``: workspaces of the server."""

from typing import Annotated

import typer

from moorage.cli.owner.commands.options import AsJson, DryRun, ProfileName

app = typer.Typer(
    name="workspace",
    help="Workspaces: all of them with a key of `moorage admin-key`, else your own.",
    no_args_is_help=True,
)

_Slug = Annotated[str, typer.Argument(metavar="SLUG", help="Its name in URLs.")]
_Name = Annotated[str | None, typer.Option(help="Its name for people.", show_default=False)]


_Keep = Annotated[
    str | None,
    typer.Option(metavar="DAYS", help="The same for these.", show_default=False),
]


@app.command("list")
def list_workspaces(json: AsJson = False, profile: ProfileName = None) -> None:
    """List workspaces by slug."""
    from moorage.cli.owner import workspaces

    workspaces.list_workspaces(profile, as_json=json)


@app.command()
def get(slug: _Slug, json: AsJson = False, profile: ProfileName = None) -> None:
    """Show one workspace."""
    from moorage.cli.owner import workspaces

    workspaces.get(profile, slug, as_json=json)


@app.command()
def create(
    slug: _Slug,
    name: _Name = None,
    feature: Annotated[
        list[str] | None, typer.Option(help="A part of the product it may use.", show_default=False)
    ] = None,
    dry_run: DryRun = False,
    json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Make a workspace and print its first keys, once; needs a key of `moorage admin-key`."""
    from moorage.cli.owner import workspaces

    workspaces.create(
        profile, slug, name=name, features=feature or (), dry_run=dry_run, as_json=json
    )


@app.command()
def update(
    slug: _Slug,
    name: _Name = None,
    feature: Annotated[
        list[str] | None,
        typer.Option(help="In the place of all it has; needs the same key.", show_default=False),
    ] = None,
    no_features: Annotated[bool, typer.Option("--no-features", help="Take all away.")] = False,
    keep_telemetry: Annotated[
        str | None,
        typer.Option(
            metavar="DAYS",
            help="Days its telemetry is kept, within what the server allows; 'default' for as long "
            "as everybody's.",
            show_default=False,
        ),
    ] = None,
    keep_logs: _Keep = None,
    keep_events: _Keep = None,
    keep_audit: _Keep = None,
    dry_run: DryRun = False,
    json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Change a workspace's name, its features, or how long it keeps what."""
    from moorage.cli.owner import workspaces

    workspaces.update(
        profile,
        slug,
        name=name,
        features=feature,
        no_features=no_features,
        keep={
            "telemetry_days": keep_telemetry,
            "logs_days": keep_logs,
            "events_days": keep_events,
            "audit_days": keep_audit,
        },
        dry_run=dry_run,
        as_json=json,
    )

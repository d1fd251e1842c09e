"""``moorage device ...``: the record of a device, and what it told."""

from typing import Annotated

import typer

from moorage.cli.owner.commands.options import AsJson, Device, DryRun, ProfileName

app = typer.Typer(name="device", help="Devices and what they told.", no_args_is_help=True)

_Type = Annotated[str | None, typer.Option("--type", help="Kind of device.", show_default=False)]
_Tags = Annotated[list[str] | None, typer.Option("--tag", help="A tag it has.", show_default=False)]
_Reference = Annotated[
    str | None,
    typer.Option(
        "--reference", help="Your own name for it; no two devices share one.", show_default=False
    ),
]
_Query = Annotated[
    str | None,
    typer.Option(
        "--query",
        "-q",
        help="A part of name, id, hostname, external id or reference.",
        show_default=False,
    ),
]
_Status = Annotated[
    list[str] | None,
    typer.Option(
        "--status", help="online, late, offline or never_seen; any of them.", show_default=False
    ),
]


@app.command("list")
def list_devices(
    status: _Status = None,
    type: _Type = None,  # noqa: A002 - named as the API names it
    tag: _Tags = None,
    query: _Query = None,
    sort: Annotated[
        str | None,
        typer.Option(
            help="name, created_at or last_heartbeat; with - before it the other way round.",
            show_default=False,
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="At most so many.", show_default=False)
    ] = None,
    counts: Annotated[bool, typer.Option("--counts", help="Only totals by status.")] = False,
    json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """List devices, newest first; several tags must all be there."""
    from moorage.cli.owner import devices

    devices.list_devices(
        profile,
        limit=limit,
        counts=counts,
        as_json=json,
        status=status or (),
        type=type,
        tag=tag or (),
        q=query,
        sort=sort,
    )


@app.command()
def get(device: Device, json: AsJson = False, profile: ProfileName = None) -> None:
    """Show one device, and whether it is there and how the server knows."""
    from moorage.cli.owner import devices

    devices.get(profile, device, as_json=json)


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Its name for people.")],
    type: _Type = None,  # noqa: A002 - named as the API names it
    tag: _Tags = None,
    reference: _Reference = None,
    dry_run: DryRun = False,
    json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Make a device and print the line to paste on it, once."""
    from moorage.cli.owner import devices

    devices.create(
        profile,
        name,
        type=type,
        tags=tag or (),
        reference=reference,
        dry_run=dry_run,
        as_json=json,
    )

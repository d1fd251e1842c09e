"""``moorage device ...``: the record of a device, and what it told."""

from typing import Annotated

import typer

from moorage.cli.owner.commands import config, importing, setup
from moorage.cli.owner.commands.options import (
    AsJson,
    Device,
    Devices,
    DryRun,
    Every,
    Limit,
    ProfileName,
    Since,
    Until,
    Yes,
)

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


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="Its name for people.")],
    type: _Type = None,  # noqa: A002 - named as the API names it
    tag: _Tags = None,
    reference: _Reference = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Tell what the server sees until it is online.")
    ] = False,
    timeout: Annotated[str, typer.Option(help="Wait no longer: 90s, 15m.")] = "15m",
    every: Every = 2.0,
    dry_run: DryRun = False,
    json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Make a device and, with --wait, follow it until it is online, or say why it is not."""
    if not wait or dry_run:
        create(name, type, tag, reference, dry_run=dry_run, json=json, profile=profile)
        return
    from moorage.cli.owner import adding
    from moorage.cli.owner.text import seconds

    adding.add(
        profile,
        name,
        timeout_s=seconds(timeout),
        every_s=every,
        as_json=json,
        type=type,
        tags=tag or (),
        reference=reference,
    )


@app.command()
def update(
    device: Device,
    name: Annotated[str | None, typer.Option(help="Another name.", show_default=False)] = None,
    type: _Type = None,  # noqa: A002 - named as the API names it
    reference: _Reference = None,
    no_reference: Annotated[
        bool, typer.Option("--no-reference", help="Take the reference away.")
    ] = False,
    approval: Annotated[
        str | None,
        typer.Option(
            help="approved, pending or rejected; its key works only while it is approved.",
            show_default=False,
        ),
    ] = None,
    dry_run: DryRun = False,
    json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Change name, type, reference or approval. Tags have a command of their own."""
    from moorage.cli.owner import devices

    devices.update(
        profile,
        device,
        name=name,
        type=type,
        reference=reference,
        no_reference=no_reference,
        approval=approval,
        dry_run=dry_run,
        as_json=json,
    )


@app.command()
def tag(
    device: Devices,
    add: Annotated[list[str] | None, typer.Option(help="Add it.", show_default=False)] = None,
    remove: Annotated[
        list[str] | None, typer.Option(help="Take it away.", show_default=False)
    ] = None,
    set: Annotated[  # noqa: A002 - the option's name
        list[str] | None, typer.Option(help="In the place of all there are.", show_default=False)
    ] = None,
    dry_run: DryRun = False,
    json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Add and take away tags, on one device or on many."""
    from moorage.cli.owner import devices

    raise typer.Exit(
        devices.tag(
            profile,
            device,
            add=add or (),
            remove=remove or (),
            replace_by=set,
            dry_run=dry_run,
            as_json=json,
        )
    )


@app.command()
def delete(
    device: Devices,
    yes: Yes = False,
    dry_run: DryRun = False,
    json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """End devices for good: their keys stop at once, their agents end at the next report."""
    from moorage.cli.owner import devices

    raise typer.Exit(devices.delete(profile, device, yes=yes, dry_run=dry_run, as_json=json))


@app.command()
def watch(
    device: Annotated[
        list[str] | None,
        typer.Argument(metavar="DEVICE...", help="Only these.", show_default=False),
    ] = None,
    type: _Type = None,  # noqa: A002 - named as the API names it
    tag: _Tags = None,
    query: _Query = None,
    every: Every = 5.0,
    timeout: Annotated[
        str | None, typer.Option(help="End by itself after 90s, 15m.", show_default=False)
    ] = None,
    json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Show each change of status until Ctrl-C; with --json one object a line.

    The server says when there is one; where it has no feed, and with --query, it is asked --every
    so often.
    """
    from moorage.cli.owner import following
    from moorage.cli.owner.text import seconds

    following.watch(
        profile,
        device or (),
        every_s=every,
        timeout_s=None if timeout is None else seconds(timeout),
        as_json=json,
        type=type,
        tag=tag or (),
        q=query,
    )


@app.command()
def logs(
    device: Device,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with lines to come, until Ctrl-C.")
    ] = False,
    service: Annotated[
        list[str] | None, typer.Option(help="Only of this service.", show_default=False)
    ] = None,
    severity: Annotated[
        list[str] | None, typer.Option(help="Only of this severity.", show_default=False)
    ] = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 100,
    every: Every = 2.0,
    late: Annotated[
        str, typer.Option(help="With --follow: show lines that come up to so late.")
    ] = "10m",
    json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Show log lines, oldest first; with --follow --json one object a line."""
    from moorage.cli.owner import following
    from moorage.cli.owner.text import moment, seconds

    following.logs(
        profile,
        device,
        follow=follow,
        limit=limit,
        every_s=every,
        late_s=seconds(late),
        since=moment(since),
        until=moment(until),
        as_json=json,
        service=service or (),
        severity=severity or (),
    )


@app.command()
def telemetry(
    device: Device,
    since: Since = None,
    until: Until = None,
    bucket: Annotated[
        str | None,
        typer.Option(help="Means over spans of 30s, 5m, 1h, oldest first.", show_default=False),
    ] = None,
    limit: Limit = 100,
    json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Show samples, newest first, or means over spans of time."""
    from moorage.cli.owner import devices
    from moorage.cli.owner.text import moment

    devices.telemetry(
        profile,
        device,
        limit=limit,
        bucket=bucket,
        as_json=json,
        start_time=moment(since),
        end_time=moment(until),
    )


@app.command()
def events(
    device: Device,
    event: Annotated[
        str | None, typer.Option(help="Only these, such as device.boot.", show_default=False)
    ] = None,
    entity_type: Annotated[
        str | None, typer.Option(help="Only about this kind.", show_default=False)
    ] = None,
    entity_id: Annotated[str | None, typer.Option(help="Only about this.", show_default=False)] = (
        None
    ),
    since: Since = None,
    until: Until = None,
    limit: Limit = 100,
    json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Show what happened, newest first."""
    from moorage.cli.owner import devices
    from moorage.cli.owner.text import moment

    devices.events(
        profile,
        device,
        limit=limit,
        as_json=json,
        event=event,
        entity_type=entity_type,
        entity_id=entity_id,
        start_time=moment(since),
        end_time=moment(until),
    )


@app.command()
def verify(
    device: Device,
    expect: Annotated[
        list[str] | None,
        typer.Option(
            metavar="EPOCH:SEQUENCE:CHAIN",
            help="A chain value the device itself remembers; it must be in the ledger.",
            show_default=False,
        ),
    ] = None,
    json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Prove from when to when no report was lost or altered; exit 1 when it does not hold."""
    from moorage.cli.owner import verifying

    raise typer.Exit(verifying.verify(profile, device, expected=expect or (), as_json=json))


setup.add_to(app)
# At the end, for `device config ...` stands beside the others.
app.add_typer(config.app)
app.add_typer(importing.app)

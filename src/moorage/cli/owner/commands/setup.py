"""``moorage device services | attempts | payload | release | ...``: setting it up."""

from pathlib import Path
from typing import Annotated

import typer

from moorage.cli.owner.commands.options import AsJson, Device, Devices, DryRun, ProfileName, Yes


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(services)
    app.command()(attempts)
    app.command()(payload)
    app.command()(release)
    app.command("rotate-key")(rotate_key)
    app.command("update-agent")(update_agent)


def services(device: Device, json: AsJson = False, profile: ProfileName = None) -> None:
    """List a device's services, configured and reported."""
    from moorage.cli.owner import running

    running.list_services(profile, device, as_json=json)


def attempts(device: Device, json: AsJson = False, profile: ProfileName = None) -> None:
    """List what was tried with its install tokens in the last 24 hours, newest first."""
    from moorage.cli.owner import setup

    setup.attempts(profile, device, as_json=json)


def payload(
    device: Device,
    qr: Annotated[
        Path | None, typer.Option(help="Write the QR code to this file (SVG).", show_default=False)
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(help="Write device.json to this file, for a USB stick.", show_default=False),
    ] = None,
    show: Annotated[
        bool, typer.Option("--show", help="Show it as well as write it to files.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Write over files.")] = False,
    expires_in: Annotated[
        str | None,
        typer.Option(help="It lives so long: 24h, 30d; else 365 days.", show_default=False),
    ] = None,
    dry_run: DryRun = False,
    json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Make a signed payload for a device without a network; one made before is ended.

    Without a file it is shown: as a QR code on a terminal, else as text. It holds a secret.
    """
    from moorage.cli.owner import setup

    setup.payload(
        profile,
        device,
        setup.Places(qr, file, force=force, show=show),
        expires_in=expires_in,
        dry_run=dry_run,
        as_json=json,
    )


def release(
    device: Device, dry_run: DryRun = False, json: AsJson = False, profile: ProfileName = None
) -> None:
    """Let its hardware enrol anew into its record, once, whatever a token's policy.

    For hardware that was set up anew and comes back with a provisioning token; a suspected clone is
    let in by this too.
    """
    from moorage.cli.owner import setup

    setup.release(profile, device, dry_run=dry_run, as_json=json)


def rotate_key(
    device: Device,
    yes: Yes = False,
    dry_run: DryRun = False,
    json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Give a device another key, shown once; the present one is refused at once.

    For devices of your own making. The Moorage agent takes no key: the line of `moorage token
    create` gives it one.
    """
    from moorage.cli.owner import setup

    setup.rotate_key(profile, device, yes=yes, dry_run=dry_run, as_json=json)


def update_agent(
    device: Devices,
    version: Annotated[
        str | None,
        typer.Option(
            help="Only to this version; if the server has another, nothing is done.",
            show_default=False,
        ),
    ] = None,
    downgrade: Annotated[
        bool, typer.Option("--downgrade", help="Also to an older one than what runs.")
    ] = False,
    dry_run: DryRun = False,
    json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Have devices replace their agent with their server's, or keep theirs if that does not work.

    `moorage command get` tells what came of it, and so do the device's events.
    """
    from moorage.cli.owner import updating

    raise typer.Exit(
        updating.update_agents(
            profile,
            device,
            version=version,
            downgrade=downgrade,
            dry_run=dry_run,
            as_json=json,
        )
    )

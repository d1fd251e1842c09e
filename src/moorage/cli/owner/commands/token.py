"""``moorage token``: install tokens of devices."""

from typing import Annotated

import typer

from moorage.cli.owner.commands.options import AsJson, Device, DryRun, ProfileName

app = typer.Typer(name="token", help="Install tokens of devices.", no_args_is_help=True)


@app.callback()
def tokens() -> None:
    """Install tokens of devices."""


@app.command()
def create(
    device: Device,
    expires_in: Annotated[
        str | None,
        typer.Option(help="It lives so long: 10m, 24h, 30d at most.", show_default=False),
    ] = None,
    dry_run: DryRun = False,
    json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Make a fresh install token, also to move a device to new hardware; shown once."""
    from moorage.cli.owner import devices

    devices.token(profile, device, expires_in=expires_in, dry_run=dry_run, as_json=json)

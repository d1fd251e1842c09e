"""``moorage command ...``: what a device is asked to do."""

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

app = typer.Typer(name="command", help="What a device is asked to do.", no_args_is_help=True)

_Id = Annotated[str, typer.Argument(metavar="ID", help="The command's id.")]


@app.command()
def send(
    device: Device,
    kind: Annotated[
        str,
        typer.Argument(
            help="ping, collect_logs, restart_agent, update_agent, restart_service, reboot, "
            "pause_stream, resume_stream, terminate_stream or trigger_stream."
        ),
    ],
    arg: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="An argument, such as service=camera; the value is text, NAME:=VALUE is JSON.",
            show_default=False,
        ),
    ] = None,
    expires_in: Annotated[
        str | None,
        typer.Option(help="Not run after 90s, 15m, 24h; else one hour.", show_default=False),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Follow it until it is finished.")] = False,
    timeout: Annotated[str, typer.Option(help="Wait no longer: 90s, 15m.")] = "5m",
    every: Every = 1.0,
    dry_run: DryRun = False,
    json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Queue a command; with --wait exit 1 unless it succeeded."""
    from moorage.cli.owner import sending
    from moorage.cli.owner.text import seconds

    raise typer.Exit(
        sending.send(
            profile,
            device,
            kind,
            arguments=arg or (),
            expires_in_s=None if expires_in is None else seconds(expires_in),
            wait_s=seconds(timeout) if wait else None,
            every_s=every,
            dry_run=dry_run,
            as_json=json,
        )
    )


@app.command("list")
def list_commands(
    device: Device, limit: Limit = 50, json: AsJson = False, profile: ProfileName = None
) -> None:
    """List a device's commands, newest first."""
    from moorage.cli.owner import sending

    sending.list_commands(profile, device, limit=limit, as_json=json)


@app.command()
def get(device: Device, id: _Id, json: AsJson = False, profile: ProfileName = None) -> None:  # noqa: A002 - named as the API names it
    """Show a command and what came of it."""
    from moorage.cli.owner import sending

    sending.get(profile, device, id, as_json=json)


@app.command()
def cancel(
    device: Device,
    id: _Id,  # noqa: A002 - named as the API names it
    dry_run: DryRun = False,
    json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Take a command back; one that was delivered may still run."""
    from moorage.cli.owner import sending

    sending.cancel(profile, device, id, dry_run=dry_run, as_json=json)

"""``moorage stream ...``: streams of a device."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from moorage.cli.owner.commands.options import AsJson, Device, DryRun, Every, ProfileName

if TYPE_CHECKING:
    from moorage.sdk.running import StreamAction

app = typer.Typer(name="stream", help="Streams a device runs.", no_args_is_help=True)

_Stream = Annotated[str, typer.Argument(metavar="STREAM", help="Its id, or a name only it has.")]


@app.command("list")
def list_streams(device: Device, json: AsJson = False, profile: ProfileName = None) -> None:
    """List a device's streams, configured and reported."""
    from moorage.cli.owner import running

    running.list_streams(profile, device, as_json=json)


def _acting(action: "StreamAction") -> Callable[..., None]:
    def act(
        device: Device,
        stream: _Stream,
        wait: Annotated[
            bool, typer.Option("--wait", help="Follow it until it is finished.")
        ] = False,
        timeout: Annotated[str, typer.Option(help="Wait no longer: 90s, 15m.")] = "5m",
        every: Every = 1.0,
        dry_run: DryRun = False,
        json: AsJson = False,
        profile: ProfileName = None,
    ) -> None:
        from moorage.cli.owner import running
        from moorage.cli.owner.text import seconds

        raise typer.Exit(
            running.act(
                profile,
                device,
                stream,
                action,
                wait_s=seconds(timeout) if wait else None,
                every_s=every,
                dry_run=dry_run,
                as_json=json,
            )
        )

    return act


_WAIT = "; with --wait exit 1 unless it succeeded."
app.command("pause", help=f"Have a stream paused{_WAIT}")(_acting("pause"))
app.command("resume", help=f"Have a paused stream go on{_WAIT}")(_acting("resume"))
app.command("terminate", help=f"Have a stream ended{_WAIT}")(_acting("terminate"))
app.command("trigger", help=f"Have a stream triggered{_WAIT}")(_acting("trigger"))


@app.command()
def snapshot(
    device: Device,
    stream: _Stream,
    to: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE.jpg",
            help="Write it to this file, readable by you only; else to standard output.",
            show_default=False,
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file.")] = False,
    timeout: Annotated[str, typer.Option(help="Wait no longer: 90s, 15m.")] = "1m",
    every: Every = 1.0,
    dry_run: DryRun = False,
    json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Have the device make a picture of a stream, and fetch it (JPEG)."""
    from moorage.cli.owner import snapshots
    from moorage.cli.owner.following import Asking
    from moorage.cli.owner.text import seconds

    snapshots.snapshot(
        profile,
        device,
        stream,
        to,
        Asking(every, seconds(timeout)),
        force=force,
        dry_run=dry_run,
        as_json=json,
    )

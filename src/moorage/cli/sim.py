"""``moorage sim ...``: virtual devices against a server, and the account of what became of them."""

from typing import Annotated

import typer

from moorage.cli.owner.commands.options import AsJson

app = typer.Typer(
    name="sim",
    help="Virtual devices that report to a server through its API.",
    no_args_is_help=True,
)


@app.command()
def run(
    devices: Annotated[int, typer.Option("--devices", "-n", min=1, max=200_000)] = 100,
    profile: Annotated[
        list[str] | None,
        typer.Option(
            help="camera, meter, gateway, flaky or storm; several are dealt out in turn. (camera)",
            show_default=False,
        ),
    ] = None,
    seconds: Annotated[
        float, typer.Option("--for", min=1, max=604_800, help="How long they live (seconds).")
    ] = 120.0,
    interval: Annotated[
        float | None,
        typer.Option(
            min=0.2,
            max=86_400,
            help="Report every so many seconds, whatever the server asks for.",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed fails in the same way again.")] = 1,
    connections: Annotated[int, typer.Option(min=1, max=4096, help="At most so many.")] = 128,
    warm_up: Annotated[
        float, typer.Option(min=0, max=86_400, help="Latency is counted after this (seconds).")
    ] = 0.0,
    verify: Annotated[
        bool, typer.Option("--verify", help="Verify every device, not a hundred of them.")
    ] = False,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the devices on the server in the end.")
    ] = False,
    json: AsJson = False,
    login: Annotated[
        str | None,
        typer.Option(
            help="Use the server and key stored under this name (MOORAGE_PROFILE, else `default`).",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Let virtual devices live on a server, and say whether anything of theirs was lost.

    They are enrolled by a provisioning token, carry the tag of the run, and are deleted in the end.
    Ends with 1 when a report was lost, stored twice, or could not be delivered.
    """
    from moorage.cli import simulating
    from moorage.simulator import Options

    wanted = Options(
        devices=devices,
        profiles=simulating.checked(profile or ["camera"]),
        seconds=seconds,
        seed=seed,
        interval_s=interval,
        connections=connections,
        warm_up_s=warm_up,
        verify=None if verify else 100,
        keep=keep,
    )
    raise typer.Exit(simulating.run(login, wanted, as_json=json))


@app.command()
def profiles(json: AsJson = False) -> None:
    """List the kinds of virtual devices."""
    from moorage.cli import simulating

    simulating.list_profiles(as_json=json)

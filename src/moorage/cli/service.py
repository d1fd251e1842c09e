"""``moorage service ...``: the server as a systemd service."""

from pathlib import Path
from typing import Annotated

import typer

from moorage.cli.options import Config

app = typer.Typer(name="service", help="The server as a systemd service.", no_args_is_help=True)

_Root = Annotated[
    Path,
    typer.Option(
        "--root", help="Tree of another system, as of an image: only files are written there."
    ),
]


@app.command()
def install(
    config: Config = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            help="Folder of database and keys (that of the settings, else /var/lib/moorage).",
            show_default=False,
        ),
    ] = None,
    user: Annotated[str, typer.Option(help="The user it runs as; made if absent.")] = "moorage",
    show: Annotated[bool, typer.Option("--print", help="Show the unit; change nothing.")] = False,
    no_start: Annotated[
        bool, typer.Option("--no-start", help="Do not start it, nor with the machine.")
    ] = False,
    root: _Root = Path("/"),
) -> None:
    """Write a unit for this installation, make its user, start it. Run again, it renews them."""
    from moorage.cli import serving

    serving.install(config, data, user, show=show, start=not no_start, root=root)


@app.command()
def uninstall(root: _Root = Path("/")) -> None:
    """Stop the service and remove its unit. Data and user stay."""
    from moorage.cli import serving

    serving.uninstall(root)

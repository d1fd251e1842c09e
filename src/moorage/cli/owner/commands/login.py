"""``moorage login``, ``logout``, ``profiles``."""

from pathlib import Path
from typing import Annotated

import typer

from moorage.cli.owner.commands.options import AsJson, ProfileName


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(login)
    app.command()(logout)
    app.command()(profiles)


def login(
    url: Annotated[
        str | None,
        typer.Argument(help="Address of the server (MOORAGE_URL).", show_default=False),
    ] = None,
    profile: ProfileName = None,
    key_stdin: Annotated[
        bool, typer.Option("--key-stdin", help="Read the key from standard input.")
    ] = False,
    ca_file: Annotated[
        Path | None,
        typer.Option(help="Certificates (PEM) to trust, not the system's.", show_default=False),
    ] = None,
    json: AsJson = False,
) -> None:
    """Store a server's address and a workspace's key, checked with the server.

    The key is asked for without echo, unless it comes by --key-stdin or MOORAGE_API_KEY.
    """
    from moorage.cli.owner.login import login as run

    run(url, profile, key_stdin=key_stdin, ca_file=ca_file, as_json=json)


def logout(profile: ProfileName = None, json: AsJson = False) -> None:
    """Forget a stored server and key."""
    from moorage.cli.owner.login import logout as run

    run(profile, as_json=json)


def profiles(json: AsJson = False) -> None:
    """List the stored servers, without their keys."""
    from moorage.cli.owner.login import show_profiles

    show_profiles(as_json=json)

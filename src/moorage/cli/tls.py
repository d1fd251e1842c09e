"""``moorage tls ...``: a certificate of one's own, where no public CA gives one."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(name="tls", help="A certificate of the server's own.", no_args_is_help=True)


@app.command()
def init(
    data: Annotated[
        Path | None,
        typer.Option("--data", help="Folder of the server's data.", show_default=False),
    ] = None,
    name: Annotated[
        list[str] | None,
        typer.Option(
            metavar="HOST_OR_IP",
            help="A name or address by which the server is reached; may be repeated. (this "
            "machine's name, localhost, 127.0.0.1)",
            show_default=False,
        ),
    ] = None,
    days: Annotated[
        int, typer.Option(min=1, max=3650, help="How long the certificate lives.")
    ] = 825,
    renew: Annotated[
        bool,
        typer.Option(
            "--renew", help="Only another certificate, by the same CA and of the same key."
        ),
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace CA, keys and certificate.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False,
    config: Annotated[
        Path | None, typer.Option("--config", help="Settings as a TOML file.", show_default=False)
    ] = None,
) -> None:
    """Make a small CA and a server certificate in the data folder, and say what to set.

    Devices need not trust the CA: with tls_pinned their install lines carry the pin of the key.
    """
    from moorage.cli import certifying

    if renew and force:
        raise typer.BadParameter("--renew keeps the CA and the key, --force replaces them")
    certifying.init(config, data, name or (), days, renew=renew, force=force, as_json=json)

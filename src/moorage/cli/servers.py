"""``moorage servers ...``: where devices are to find this server from now on."""

from pathlib import Path
from typing import Annotated

import typer

from moorage.cli.options import Config, Data, Database, Json, KeysDir

app = typer.Typer(
    name="servers", help="Where devices find this server from now on.", no_args_is_help=True
)


@app.callback()
def group() -> None:
    """Where devices find this server from now on."""


@app.command()
def sign(
    url: Annotated[
        list[str],
        typer.Argument(metavar="URL...", help="An address of this server, the first choice first."),
    ],
    pin: Annotated[
        str | None,
        typer.Option(
            help="How devices know it there: sha256//BASE64, its public key's digest, or "
            "sha256:HEX, its certificate's.",
            show_default=False,
        ),
    ] = None,
    ca_file: Annotated[
        Path | None,
        typer.Option(help="Or certificates (PEM) that they are to trust.", show_default=False),
    ] = None,
    json: Json = False,
    data: Data = None,
    database: Database = None,
    keys_dir: KeysDir = None,
    config: Config = None,
) -> None:
    """Sign a list of addresses for devices, to be set as `config.servers`.

    Works beside a running server, on its machine. A device goes over to the first address where it
    finds this very server, and stays with the present one until then.
    """
    from moorage.cli import signing

    signing.sign(
        config,
        url,
        pin=pin,
        ca_file=ca_file,
        as_json=json,
        data=data,
        database=database,
        keys_dir=keys_dir,
    )

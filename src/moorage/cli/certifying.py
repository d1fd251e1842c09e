"""What ``moorage tls init`` does: has the files made, and says what to set."""

import json
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import typer

from moorage.cli.server_side import chosen_settings, plain_errors
from moorage.kit.clock import rfc3339
from moorage.server import tls
from moorage.server.settings import Settings


def init(
    config: Path | None,
    data: Path | None,
    names: Sequence[str],
    days: int,
    *,
    renew: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Make a CA and a certificate, or another certificate, and print settings and pins."""
    settings = chosen_settings(config, data=data)
    folder = settings.data.absolute() / "tls"
    with plain_errors():
        if renew:
            made = tls.renew(folder, names, days)
        else:
            made = tls.init(folder, names, days, force=force)
    to_set = {
        "MOORAGE_TLS_CERT": str(made.files.certificate),
        "MOORAGE_TLS_KEY": str(made.files.key),
        "MOORAGE_TLS_PINNED": "true",
        "MOORAGE_PUBLIC_URL": _public_url(settings, made.names),
    }
    if as_json:
        shown = {
            "ca": str(made.files.ca),
            "names": list(made.names),
            "expires_at": rfc3339(made.expires_at),
            "settings": to_set,
            "pins": {"key": made.key_pin, "certificate": made.certificate_pin},
        }
        typer.echo(json.dumps(shown))
        return
    _show(made, to_set, renewed=renew)


def _show(made: tls.Made, to_set: dict[str, str], *, renewed: bool) -> None:
    typer.echo(f"certificate      for {', '.join(made.names)}, until {made.expires_at:%Y-%m-%d}")
    typer.echo(f"key pin          {made.key_pin}")
    typer.echo(f"certificate pin  {made.certificate_pin}")
    if renewed:
        typer.echo("Start the server again to use it. The key pin is the one from before.")
        return
    typer.echo(f"CA               {made.files.ca}\n")
    for name, value in to_set.items():
        typer.echo(f"{name}={value}")
    typer.echo(
        "\nSet these for the server. Install lines then carry the key pin; people and programs "
        "trust the CA\ninstead: `moorage login URL --ca-file ca.pem`. Renew with `moorage tls init "
        "--renew`; the key pin stays."
    )


def _public_url(settings: Settings, names: Sequence[str]) -> str:
    """Return the address that is set, over TLS, or one by the first name."""
    host = next((name for name in names if not name.startswith("*.")), "localhost")
    port = settings.port
    if settings.public_url is not None:
        parts = urlsplit(settings.public_url)
        host, port = parts.hostname or host, parts.port or port
    return f"https://{f'[{host}]' if ':' in host else host}:{port}"

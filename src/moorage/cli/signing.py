"""What ``moorage servers sign`` does: a list that only the holder of the server's key can make."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer

from moorage.cli.server_side import chosen_settings, fail, plain_errors
from moorage.core.config import Address, sign_servers
from moorage.server.logs import configure_logs
from moorage.server.opening import opened


def sign(
    config: Path | None,
    urls: Sequence[str],
    *,
    pin: str | None,
    ca_file: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Print the signed list."""
    chosen = chosen_settings(config, **options)
    configure_logs("warning", "text")
    try:
        ca = None if ca_file is None else ca_file.read_text("ascii", errors="ignore")
    except OSError as error:
        fail(f"the CA file {error.filename} cannot be read: {error.strerror}")
    addresses = [Address(url, pin, ca) for url in urls]

    async def work() -> str:
        async with opened(chosen) as (db, keyring), db.read() as tx:
            return sign_servers(addresses, keyring.signing, tx.now)

    with plain_errors():
        try:
            text = asyncio.run(work())
        except ValueError as error:
            fail(str(error))
    typer.echo(json.dumps({"servers": text}) if as_json else text)

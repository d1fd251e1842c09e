"""What ``moorage admin ...`` does: opens the server's database, changes accounts, prints links."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import typer

from moorage.cli.server_side import chosen_settings, plain_errors
from moorage.console.links import address_of
from moorage.core import accounts, workspaces
from moorage.core.accounts import Account, NewLink, Place
from moorage.core.errors import not_found
from moorage.kit.clock import rfc3339
from moorage.server.app import default_public_url
from moorage.server.logs import configure_logs
from moorage.server.opening import opened
from moorage.server.settings import Settings
from moorage.storage import Tx

T = TypeVar("T")

_ACTOR = "system:admin"
_PAGE = 200


def set_up_link(
    config: Path | None, workspace: str | None, *, as_json: bool, **options: Any
) -> None:
    """Print a link that makes an owner."""

    async def work(tx: Tx) -> NewLink:
        if workspace is None:
            return await accounts.new_set_up_link(tx)
        found = await workspaces.find_by_slug(tx, workspace)
        if found is None:
            raise not_found(f"workspace {workspace}")
        return await accounts.new_set_up_link(tx, found.id)

    settings, made = _in_database(config, work, options)
    _print_link(settings, made, "set-up link", as_json=as_json)


def reset_password(
    config: Path | None, email: str, *, remove_second_factor: bool, as_json: bool, **options: Any
) -> None:
    """Print a link to set a new password."""

    async def work(tx: Tx) -> NewLink:
        if remove_second_factor:
            await accounts.remove_totp_of(tx, email, actor=_ACTOR)
        return await accounts.reset_link(tx, email)

    settings, made = _in_database(config, work, options)
    _print_link(settings, made, "password link", as_json=as_json)


def list_accounts(config: Path | None, *, as_json: bool, **options: Any) -> None:
    """Print all accounts."""

    async def work(tx: Tx) -> list[tuple[Account, list[Place]]]:
        found: list[tuple[Account, list[Place]]] = []
        after = ""
        while page := await accounts.list_all(tx, after=after, limit=_PAGE):
            found += [(account, await accounts.places(tx, account)) for account in page]
            after = page[-1].email
        return found

    _, found = _in_database(config, work, options)
    if as_json:
        typer.echo(json.dumps({"accounts": [_shown(*one) for one in found]}))
        return
    for account, places in found:
        roles = ", ".join(f"{place.role} of {place.slug}" for place in places)
        notes = [
            *(["second factor"] if account.has_totp else []),
            *(["disabled"] if account.disabled_at else []),
        ]
        typer.echo(f"{account.email}  {roles}{''.join(f'  ({note})' for note in notes)}")


def _shown(account: Account, places: list[Place]) -> dict[str, Any]:
    return {
        "id": account.id,
        "email": account.email,
        "name": account.name,
        "created_at": rfc3339(account.created_at),
        "disabled": account.disabled_at is not None,
        "second_factor": account.has_totp,
        "workspaces": {place.slug: str(place.role) for place in places},
    }


def set_disabled(config: Path | None, email: str, *, disabled: bool, **options: Any) -> None:
    """Keep an account out, or let it in again."""

    async def work(tx: Tx) -> Account:
        return await accounts.set_disabled(tx, email, disabled=disabled, actor=_ACTOR)

    _, account = _in_database(config, work, options)
    typer.echo(f"{account.email} {'cannot sign in any more' if disabled else 'can sign in again'}")


def _in_database(
    config: Path | None, work: Callable[[Tx], Awaitable[T]], options: dict[str, Any]
) -> tuple[Settings, T]:
    settings = chosen_settings(config, **options)
    configure_logs("warning", "text")

    async def run() -> T:
        async with opened(settings) as (db, _keyring), db.write() as tx:
            return await work(tx)

    with plain_errors():
        return settings, asyncio.run(run())


def _print_link(settings: Settings, made: NewLink, title: str, *, as_json: bool) -> None:
    address = address_of(settings.public_url or default_public_url(settings), made)
    if as_json:
        expires_at = rfc3339(made.link.expires_at)
        typer.echo(json.dumps({"url": address, "expires_at": expires_at}))
        return
    typer.echo(f"{title}  {address}")
    typer.echo(f"It works once, until {rfc3339(made.link.expires_at)}; keep it to yourself.")

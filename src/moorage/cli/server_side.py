"""Commands that open the server's own database: serve, bootstrap, migrate, settings, doctor."""

import asyncio
import json
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

import typer
from pydantic import ValidationError

from moorage.core import keys, workspaces
from moorage.core.errors import DomainError
from moorage.server import reference as reference_page
from moorage.server.doctor import Outcome, examine
from moorage.server.logs import configure_logs, redact
from moorage.server.opening import SetupError, opened
from moorage.server.run import serve as run_server
from moorage.server.settings import Settings, load_settings
from moorage.server.upgrade import upgrade
from moorage.storage import StorageError

_WORDS = {Outcome.OK: "ok  ", Outcome.WARNING: "warn", Outcome.ERROR: "FAIL"}


def fail(message: str) -> NoReturn:
    """End the command with one line; secrets that may stand in it are taken out."""
    typer.echo(f"moorage: {redact(message)}", err=True)
    raise typer.Exit(1)


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turn what can be foreseen into one line that says what to do."""
    try:
        yield
    except (SetupError, StorageError, DomainError) as error:
        fail(str(error))


def chosen_settings(config: Path | None, **options: Any) -> Settings:
    """Read the settings, or end in one line that says what is wrong with them."""
    try:
        return load_settings(config, **options)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()
        )
        fail(f"the settings are wrong: {faults}")
    except FileNotFoundError as error:
        fail(f"there is no settings file {error.filename}")
    except OSError as error:
        fail(f"the settings file {error.filename} cannot be read: {error.strerror}")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        fail(f"the settings file is not TOML: {error}")


def serve(config: Path | None, **options: Any) -> None:
    """Run the server."""
    chosen = chosen_settings(config, **options)
    with plain_errors():
        run_server(chosen)


def bootstrap(
    config: Path | None,
    *,
    slug: str,
    name: str | None,
    features: list[str],
    as_json: bool,
    **options: Any,
) -> None:
    """Make a workspace if absent, and a live and a test key."""
    chosen = chosen_settings(config, **options)
    configure_logs("warning", "text")
    with plain_errors():
        made = asyncio.run(_bootstrap(chosen, slug, name, features))
    if as_json:
        typer.echo(json.dumps(made))
        return
    typer.echo(f"workspace  {made['workspace']['slug']}  ({made['workspace']['id']})")
    typer.echo(f"live key   {made['api_key']}")
    typer.echo(f"test key   {made['test_api_key']}")
    typer.echo("The keys are shown this once; Moorage keeps only their digests.")


async def _bootstrap(
    chosen: Settings, slug: str, name: str | None, features: list[str]
) -> dict[str, Any]:
    async with opened(chosen) as (db, _keyring), db.write() as tx:
        workspace = await workspaces.ensure(tx, slug, name=name, features=features)
        live, test = await keys.issue_pair(tx, workspace.id, "system:bootstrap")
    return {
        "workspace": {"slug": workspace.slug, "id": workspace.id, "name": workspace.name},
        "api_key": live.text,
        "test_api_key": test.text,
    }


def admin_key(config: Path | None, *, as_json: bool, **options: Any) -> None:
    """Make a key that may make workspaces and nothing else."""
    chosen = chosen_settings(config, **options)
    configure_logs("warning", "text")

    async def work() -> str:
        async with opened(chosen) as (db, _keyring), db.write() as tx:
            home = await workspaces.ensure_admin(tx)
            return (await keys.issue_admin(tx, home.id)).text

    with plain_errors():
        text = asyncio.run(work())
    typer.echo(json.dumps({"admin_key": text}) if as_json else f"admin key  {text}")


def migrate(
    config: Path | None,
    *,
    backup: bool,
    target: Path | None,
    only_look: bool,
    **options: Any,
) -> None:
    """Bring the database up to date, or look whether that would go well."""
    if target is not None and not backup:
        fail("--backup names the file of a backup, --no-backup makes none; give one of them")
    chosen = chosen_settings(config, **options)
    configure_logs("warning", "text")
    with plain_errors():
        done = asyncio.run(upgrade(chosen, backup=backup, target=target, only_look=only_look))
    typer.echo(f"schema version {done.before or 'none'} -> {done.after}")
    if done.before in {None, done.after}:
        return
    if not done.done:
        typer.echo("Nothing stands in the way, and nothing was changed.")
    elif done.backup is None:
        typer.echo("No backup was made before, as asked.")
    else:
        typer.echo(f"What was there before is in {done.backup}")


def settings(config: Path | None, *, reference: bool, **options: Any) -> None:
    """Print the settings, or the page about them."""
    if reference:
        typer.echo(reference_page.settings_page(), nl=False)
        return
    for name, value in chosen_settings(config, **options).model_dump(mode="json").items():
        typer.echo(f"{name} = {json.dumps(value)}")


def doctor(config: Path | None, *, as_json: bool, **options: Any) -> None:
    """Check everything; exit 1 when something keeps the server from working."""
    chosen = chosen_settings(config, **options)
    configure_logs("error", "text")
    findings = asyncio.run(examine(chosen))
    failed = any(finding.outcome is Outcome.ERROR for finding in findings)
    if as_json:
        shown = [
            {**asdict(finding), "detail": finding.detail and redact(finding.detail)}
            for finding in findings
        ]
        typer.echo(json.dumps({"ok": not failed, "findings": shown}))
    else:
        for finding in findings:
            detail = f": {redact(finding.detail)}" if finding.detail else ""
            typer.echo(f"{_WORDS[finding.outcome]}  {finding.subject}{detail}")
    raise typer.Exit(1 if failed else 0)

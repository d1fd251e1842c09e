"""What ``moorage service ...`` does: gathers what the unit is made of, and says what was done."""

import re
import sys
from pathlib import Path

import typer

from moorage.cli.server_side import chosen_settings, fail, plain_errors
from moorage.server import service

_DATA = Path("/var/lib/moorage")
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,30}")


def install(
    config: Path | None, data: Path | None, user: str, *, show: bool, start: bool, root: Path
) -> None:
    """Print the unit, or install it."""
    if _USER.fullmatch(user) is None:
        fail(f"'{user}' is no name of a user: lower-case letters, digits, - and _")
    settings = chosen_settings(config, data=None if data is None else data.absolute())
    wanted = service.Service(
        program=_program(),
        config=None if config is None else config.absolute(),
        data=settings.data if settings.data.is_absolute() else _DATA,
        user=user,
        settings=settings,
    )
    if show:
        typer.echo(service.unit_of(wanted), nl=False)
        return
    with plain_errors():
        for sentence in service.install(wanted, root=root, start=start):
            typer.echo(sentence)


def uninstall(root: Path) -> None:
    """Take the service away."""
    with plain_errors():
        for sentence in service.uninstall(root=root):
            typer.echo(sentence)


def _program() -> Path:
    """Return this program as it is installed, beside the interpreter that runs it."""
    program = Path(sys.executable).absolute().with_name("moorage")
    if not program.exists():
        fail(f"there is no {program}: install Moorage into a virtual environment of its own first")
    return program

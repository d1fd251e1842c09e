"""``moorage admin ...``: who may sign in to the console; for whoever runs the server."""

from typing import Annotated

import typer

from moorage.cli.options import Config, Data, Database, Json, KeysDir

app = typer.Typer(
    name="admin",
    help="Who may sign in to the console; for whoever runs the server.",
    no_args_is_help=True,
)

_Url = Annotated[
    str | None,
    typer.Option(
        help="How browsers reach the server (public_url, or where the settings let it listen).",
        show_default=False,
    ),
]
_Email = Annotated[str, typer.Argument(metavar="EMAIL", help="The account's e-mail address.")]


@app.command("set-up-link")
def set_up_link(
    workspace: Annotated[
        str | None,
        typer.Option(
            help="Slug of the workspace to own; without it whoever opens the link names one.",
            show_default=False,
        ),
    ] = None,
    url: _Url = None,
    json: Json = False,
    data: Data = None,
    database: Database = None,
    keys_dir: KeysDir = None,
    config: Config = None,
) -> None:
    """Print a link that makes an account and an owner of it. Works once, for 24 hours."""
    from moorage.cli import administering

    administering.set_up_link(
        config,
        workspace,
        as_json=json,
        public_url=url,
        data=data,
        database=database,
        keys_dir=keys_dir,
    )


@app.command("reset-password")
def reset_password(
    email: _Email,
    remove_second_factor: Annotated[
        bool,
        typer.Option(
            "--remove-second-factor",
            help="Also go without the code from now on: phone and recovery codes are lost.",
        ),
    ] = False,
    url: _Url = None,
    json: Json = False,
    data: Data = None,
    database: Database = None,
    keys_dir: KeysDir = None,
    config: Config = None,
) -> None:
    """Print a link to set a new password, also for who is locked out. Works once, for 24 hours."""
    from moorage.cli import administering

    administering.reset_password(
        config,
        email,
        remove_second_factor=remove_second_factor,
        as_json=json,
        public_url=url,
        data=data,
        database=database,
        keys_dir=keys_dir,
    )


@app.command()
def accounts(
    json: Json = False,
    data: Data = None,
    database: Database = None,
    keys_dir: KeysDir = None,
    config: Config = None,
) -> None:
    """List all accounts with their workspaces and roles."""
    from moorage.cli import administering

    administering.list_accounts(
        config, as_json=json, data=data, database=database, keys_dir=keys_dir
    )


@app.command()
def disable(
    email: _Email,
    data: Data = None,
    database: Database = None,
    keys_dir: KeysDir = None,
    config: Config = None,
) -> None:
    """Keep an account from signing in; its sessions end at once."""
    from moorage.cli import administering

    administering.set_disabled(
        config, email, disabled=True, data=data, database=database, keys_dir=keys_dir
    )


@app.command()
def enable(
    email: _Email,
    data: Data = None,
    database: Database = None,
    keys_dir: KeysDir = None,
    config: Config = None,
) -> None:
    """Let a disabled account sign in again."""
    from moorage.cli import administering

    administering.set_disabled(
        config, email, disabled=False, data=data, database=database, keys_dir=keys_dir
    )

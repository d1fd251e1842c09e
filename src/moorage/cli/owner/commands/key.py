"""``moorage key ...``: keys of the workspace."""

from typing import Annotated

import typer

from moorage.cli.owner.commands.options import AsJson, DryRun, ProfileName, Yes

app = typer.Typer(name="key", help="Keys of the workspace.", no_args_is_help=True)

_Key = Annotated[str, typer.Argument(metavar="KEY", help="Its id, or a name only it has.")]
_Scopes = Annotated[
    list[str] | None,
    typer.Option("--scope", help="Something it may do, such as device:read.", show_default=False),
]
_NoScopes = Annotated[bool, typer.Option("--no-scopes", help="It may do nothing.")]


@app.command("list")
def list_keys(
    revoked: Annotated[bool, typer.Option("--revoked", help="Revoked ones too.")] = False,
    json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """List the keys of this key's mode, newest first, never their texts."""
    from moorage.cli.owner import keys

    keys.list_keys(profile, revoked=revoked, as_json=json)


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What it is for.")],
    scope: _Scopes = None,
    no_scopes: _NoScopes = False,
    mode: Annotated[
        str | None, typer.Option(help="live or test; else that of this key.", show_default=False)
    ] = None,
    dry_run: DryRun = False,
    json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Make a key and show its text, once. Without --scope it may do everything."""
    from moorage.cli.owner import keys

    keys.create(
        profile,
        name,
        scopes=keys.scopes_of(scope, none=no_scopes),
        mode=mode,
        dry_run=dry_run,
        as_json=json,
    )


@app.command()
def update(
    key: _Key,
    name: Annotated[str | None, typer.Option(help="Another name.", show_default=False)] = None,
    scope: _Scopes = None,
    no_scopes: _NoScopes = False,
    disable: Annotated[
        bool | None,
        typer.Option(
            "--disable/--enable", help="Whether it is refused for now.", show_default=False
        ),
    ] = None,
    protect: Annotated[
        bool, typer.Option("--protect", help="It can no longer be disabled, rolled or revoked.")
    ] = False,
    dry_run: DryRun = False,
    json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Change a key's name or scopes, or switch it off and on."""
    from moorage.cli.owner import keys

    keys.update(
        profile,
        key,
        name=name,
        scopes=keys.scopes_of(scope, none=no_scopes),
        disabled=disable,
        protected=protect or None,
        dry_run=dry_run,
        as_json=json,
    )


@app.command()
def roll(
    key: _Key,
    yes: Yes = False,
    dry_run: DryRun = False,
    json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Give a key another text, shown once; the old one stops at once."""
    from moorage.cli.owner import keys

    keys.roll(profile, key, yes=yes, dry_run=dry_run, as_json=json)


@app.command()
def revoke(
    key: _Key,
    yes: Yes = False,
    dry_run: DryRun = False,
    json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """End a key, at once and for good."""
    from moorage.cli.owner import keys

    keys.revoke(profile, key, yes=yes, dry_run=dry_run, as_json=json)

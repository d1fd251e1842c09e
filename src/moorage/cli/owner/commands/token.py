"""``moorage token ...``: what devices enrol with."""

from typing import Annotated

import typer

from moorage.cli.owner.commands.options import AsJson, DryRun, ProfileName, Yes

app = typer.Typer(
    name="token",
    help="Provisioning tokens, with which devices make their own records, and install tokens, "
    "each for one device.",
    no_args_is_help=True,
)

_Token = Annotated[
    str, typer.Argument(metavar="TOKEN", help="Its id, or a name only it has; never its text.")
]


@app.command()
def create(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="What a provisioning token is for; or the device an install token is for, by its "
            "id, its reference, or a name only it has.",
        ),
    ],
    single_use: Annotated[
        bool, typer.Option("--single-use", help="Provisioning: for one device.")
    ] = False,
    max_uses: Annotated[
        int | None,
        typer.Option(min=1, help="Provisioning: for so many devices.", show_default=False),
    ] = None,
    unlimited: Annotated[
        bool, typer.Option("--unlimited", help="Provisioning: for any number of devices.")
    ] = False,
    expires_in: Annotated[
        str | None,
        typer.Option(
            help="It lives so long: 10m, 24h, 7d; a provisioning token also never. Else 30 days, "
            "an install token 10 minutes, unless the server is set otherwise.",
            show_default=False,
        ),
    ] = None,
    tag: Annotated[
        list[str] | None,
        typer.Option(
            "--tag",
            help="Provisioning: a tag for each device, such as site=7.",
            show_default=False,
        ),
    ] = None,
    type: Annotated[  # noqa: A002 - named as the API names it
        str | None,
        typer.Option("--type", help="Provisioning: the kind of each device.", show_default=False),
    ] = None,
    policy: Annotated[
        str | None,
        typer.Option(
            help="Provisioning: hardware that is known already is refused (reject, the default), "
            "gets a new key on its record (replace, only with --single-use) or another record "
            "(new).",
            show_default=False,
        ),
    ] = None,
    dry_run: DryRun = False,
    json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Make a token and print the line to paste on a device, once.

    With --single-use, --max-uses or --unlimited it is a provisioning token: each device that uses
    it makes its own record. A tag, type or policy says so too, for any number of devices.

    Without any of these it is a fresh install token for the record of the device NAME, also to move
    it to new hardware.
    """
    from moorage.cli.owner import tokens

    tokens.create(
        profile,
        name,
        single_use=single_use,
        max_uses=max_uses,
        unlimited=unlimited,
        expires_in=expires_in,
        tags=tag or (),
        type=type,
        policy=policy,
        dry_run=dry_run,
        as_json=json,
    )


@app.command("list")
def list_tokens(
    usable: Annotated[
        bool, typer.Option("--usable", help="Only those a device can enrol with now.")
    ] = False,
    json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """List provisioning tokens, newest first: uses, and usable, used up, expired or revoked."""
    from moorage.cli.owner import tokens

    tokens.list_tokens(profile, usable=usable, as_json=json)


@app.command()
def show(token: _Token, json: AsJson = False, profile: ProfileName = None) -> None:
    """Show a provisioning token, never its text."""
    from moorage.cli.owner import tokens

    tokens.show(profile, token, as_json=json)


@app.command()
def revoke(
    token: _Token,
    yes: Yes = False,
    dry_run: DryRun = False,
    json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """End a provisioning token, at once and for good; devices that used it stay."""
    from moorage.cli.owner import tokens

    tokens.revoke(profile, token, yes=yes, dry_run=dry_run, as_json=json)

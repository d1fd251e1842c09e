"""``moorage audit``."""

from typing import Annotated

import typer

from moorage.cli.owner.commands.options import AsJson, Limit, ProfileName, Since, Until


def audit(
    actor: Annotated[
        str | None, typer.Option(help="Only by this one, such as key:key_…", show_default=False)
    ] = None,
    action: Annotated[
        str | None, typer.Option(help="Only this, such as device.created.", show_default=False)
    ] = None,
    entity: Annotated[
        str | None, typer.Option(help="Only to the thing with this id.", show_default=False)
    ] = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = 100,
    json: AsJson = False,
    profile: ProfileName = None,
) -> None:
    """Show who changed what, newest first."""
    from moorage.cli.owner import audits
    from moorage.cli.owner.text import moment

    audits.show(
        profile,
        limit=limit,
        as_json=json,
        actor=actor,
        action=action,
        entity_id=entity,
        start_time=moment(since),
        end_time=moment(until),
    )

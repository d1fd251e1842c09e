"""Who changed what."""

from itertools import islice
from typing import Any

from moorage.cli.owner import output
from moorage.cli.owner.session import connected
from moorage.cli.owner.text import time_text


def show(profile: str | None, *, limit: int, as_json: bool, **filters: Any) -> None:
    """Print changes, newest first."""
    with connected(profile) as client:
        found = list(islice(client.audit.iterate(page_size=min(limit, 500), **filters), limit))
    if as_json:
        output.emit(found)
        return
    output.table(
        ["at", "by", "action", "what", "details"],
        [
            [
                time_text(one.at),
                one.actor,
                one.action,
                one.entity_id or "",
                output.compact(one.details) if one.details else "",
            ]
            for one in found
        ],
    )

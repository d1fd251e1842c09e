"""Agents brought up to their server's version: one command a device, queued and not waited for."""

from collections.abc import Sequence
from typing import Any

from moorage.cli.owner import bulk
from moorage.cli.owner.outcomes import Exit
from moorage.cli.owner.session import connected, find

_KIND = "update_agent"


def update_agents(
    profile: str | None,
    named: Sequence[str],
    *,
    version: str | None,
    downgrade: bool,
    dry_run: bool,
    as_json: bool,
) -> Exit:
    """Ask each device to replace its agent. Return how the asking went."""
    arguments: dict[str, Any] = {"downgrade": True} if downgrade else {}
    if version is not None:
        arguments["version"] = version
    with connected(profile) as client:

        def work(one: str) -> bulk.Row:
            found = find(client, one)
            runs = f"agent {found.facts.get('agent_version', 'unknown')}"
            if dry_run:
                return bulk.Row(found.name, "would ask", found.id, f"{found.status}, {runs}")
            sent = client.commands.send(found.id, _KIND, arguments)
            return bulk.Row(found.name, "asked", found.id, f"{sent.id}; {runs} until then")

        rows = bulk.each("asking", list(dict.fromkeys(named)), work)
    return bulk.show(rows, as_json=as_json)

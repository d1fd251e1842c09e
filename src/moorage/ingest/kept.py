"""How long rows are kept: the server's retention, and what workspaces chose for themselves."""

from collections.abc import Mapping
from dataclasses import fields

from moorage.ingest.rules import Retention


class Kept:
    """Retention by workspace. One object, shared by all who ask; ``choose`` renews it."""

    def __init__(self, default: Retention) -> None:
        """Begin with what holds for everybody."""
        self.default = default
        self._own: Mapping[str, Retention] = {}

    def choose(self, own: Mapping[str, Retention]) -> None:
        """Let these workspaces have a retention of their own, by their ids, and no others."""
        self._own = dict(own)

    def by_workspace(self) -> Mapping[str, Retention]:
        """Return the retention of those that have their own."""
        return self._own

    def of(self, workspace_id: str) -> Retention:
        """Return a workspace's retention."""
        return self._own.get(workspace_id, self.default)

    def longest(self) -> Retention:
        """Return for each kind the longest time that anybody keeps it."""
        every = [self.default, *self._own.values()]
        return Retention(
            **{
                one.name: max(getattr(kept, one.name) for kept in every)
                for one in fields(Retention)
            }
        )

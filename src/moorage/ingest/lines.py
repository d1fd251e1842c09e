"""What waits for its transaction, in a line for each workspace; a batch takes from all in turn.

One line for all would be as slow for everybody as the busiest makes it. With a line each, a
workspace that sends more than it gets through waits behind itself.
"""

from collections import OrderedDict, deque
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Generic, Protocol, TypeVar

from msgspec import Struct

# Beside others a workspace has no more of a batch than the busiest of them that wait, or this: the
# batch is what each of them waits for, also who comes while it is written.
_LEAST_SHARE = 64
# So long after two workspaces sent in turns each is beside others.
_BESIDE_OTHERS_S = 20.0


class Weight(Struct, frozen=True):
    """What an item costs: rows it leaves, bytes it holds while it waits; and who it is from."""

    rows: int
    size_bytes: int
    tenant: str = ""
    sender: str = ""


class Waiting(Protocol):
    """An item that waits, since a time of the loop's clock."""

    @property
    def weight(self) -> Weight:
        """What it costs."""
        ...

    @property
    def since(self) -> float:
        """When it came."""
        ...


W = TypeVar("W", bound=Waiting)


class Lines(Generic[W]):
    """The lines; each in the order of coming."""

    def __init__(self) -> None:
        """Start with none."""
        self._lines: OrderedDict[str, deque[W]] = OrderedDict()
        self._senders: dict[str, int] = {}
        self._last_tenant: str | None = None
        self._beside_others_until = float("-inf")
        self.length = 0
        self.size_bytes = 0

    def __len__(self) -> int:
        """Return how many wait."""
        return self.length

    @property
    def tenants(self) -> int:
        """How many workspaces have something waiting."""
        return len(self._lines)

    def of_tenant(self, tenant: str) -> Sequence[W]:
        """Return what waits of a workspace, the first to come first."""
        return self._lines.get(tenant, ())

    def of_sender(self, sender: str) -> int:
        """Return how many wait of one device."""
        return self._senders.get(sender, 0)

    def add(self, waiting: W) -> None:
        """Put an item at the end of its line."""
        weight = waiting.weight
        line = self._lines.get(weight.tenant)
        if line is None:
            line = self._lines[weight.tenant] = deque()
        line.append(waiting)
        if weight.tenant != self._last_tenant:
            if self._last_tenant is not None:
                self._beside_others_until = waiting.since + _BESIDE_OTHERS_S
            self._last_tenant = weight.tenant
        self.length += 1
        self.size_bytes += weight.size_bytes
        if weight.sender:
            self._senders[weight.sender] = self._senders.get(weight.sender, 0) + 1

    def take(self, most: int, most_rows: int, *, but: AbstractSet[str] = frozenset()) -> list[W]:
        """Take a batch: at least one item, then while there are items, ``most`` and rows allow.

        ``but``: senders whose items stay where they are.
        """
        whole = self._set_aside(but)
        batch = self._taken(most, most_rows)
        self._note_taken(batch)
        taken = set(batch) if whole else ()
        for tenant, line in whole.items():
            self._lines[tenant] = deque(one for one in line if one not in taken)
        return batch

    def _set_aside(self, senders: AbstractSet[str]) -> dict[str, deque[W]]:
        """Leave what is not of these senders in the lines; return those that are changed, whole."""
        if senders.isdisjoint(self._senders):
            return {}
        whole = {}
        for tenant, line in list(self._lines.items()):
            left = deque(one for one in line if one.weight.sender not in senders)
            if len(left) < len(line):
                whole[tenant] = line
                self._lines[tenant] = left
                if not left:
                    del self._lines[tenant]
        return whole

    def _taken(self, most: int, most_rows: int) -> list[W]:
        batch: list[W] = []
        rows = 0
        shares = self._shares()
        while shares and len(batch) < most:
            for tenant in list(shares):
                line = self._lines[tenant]
                rows += line[0].weight.rows
                if len(batch) == most or (batch and rows > most_rows):
                    shares.clear()
                    break
                batch.append(line.popleft())
                shares[tenant] -= 1
                if not shares[tenant]:
                    del shares[tenant]
        return batch

    def _shares(self) -> dict[str, int]:
        """Return how many of each line may go into a batch; who was first is last next time."""
        if not self._lines:
            return {}
        self._lines.move_to_end(next(iter(self._lines)))
        lengths = sorted(map(len, self._lines.values()))
        if len(lengths) == 1:
            ((tenant, line),) = self._lines.items()
            alone = line[-1].since > self._beside_others_until
            return {tenant: lengths[0] if alone else min(lengths[0], _LEAST_SHARE)}
        share = max(lengths[-2], _LEAST_SHARE)
        return {tenant: min(len(line), share) for tenant, line in self._lines.items()}

    def _note_taken(self, batch: list[W]) -> None:
        self.length -= len(batch)
        senders = self._senders
        for waiting in batch:
            weight = waiting.weight
            self.size_bytes -= weight.size_bytes
            if weight.sender:
                left = senders[weight.sender] - 1
                if left:
                    senders[weight.sender] = left
                else:
                    del senders[weight.sender]
        for tenant in [tenant for tenant, line in self._lines.items() if not line]:
            del self._lines[tenant]

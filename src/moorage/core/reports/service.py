"""Judging a batch of reports against the ledger, in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from msgspec import structs

from moorage.core import devices, events
from moorage.core.caller import Caller, DeviceRef, Scope
from moorage.core.reports import rules, store
from moorage.core.reports.model import (
    Advance,
    Epoch,
    EpochState,
    Fork,
    Link,
    Offer,
    Record,
    Store,
    Verdict,
)
from moorage.kit.clock import to_ms
from moorage.kit.pages import Page, decode_cursor, encode_cursor
from moorage.storage import Tx

KEPT = timedelta(hours=48)
EPOCHS_KEPT = timedelta(days=90)
_CHECKPOINT_EVERY_MS = 3_600_000
_TELL_FORKS_EVERY = timedelta(minutes=10)

_EpochKey: TypeAlias = tuple[str, str]


@dataclass
class Ledger:
    """The ledger as one transaction sees it: judge each report in order of arrival, then save."""

    _tx: Tx
    _links: dict[tuple[str, str], Link]
    _epochs: dict[_EpochKey, EpochState]
    _begun: list[_EpochKey]
    _now_ms: int
    _moved: dict[_EpochKey, EpochState] = field(default_factory=dict)
    _took_over: dict[str, str] = field(default_factory=dict)
    _checkpoints: set[_EpochKey] = field(default_factory=set)
    _added: list[tuple[Any, ...]] = field(default_factory=list)
    _forked: dict[str, tuple[Offer, Fork]] = field(default_factory=dict)
    _alternated: dict[str, Offer] = field(default_factory=dict)

    def has(self, offer: Offer) -> bool:
        """Whether this very report is stored already; notes nothing."""
        device_id = offer.device.device_id
        known = (self._links.get((device_id, of(offer))) for of in (rules.ledger_id, rules.link_id))
        return any(link is not None and link.digest == offer.digest for link in known)

    def judge(self, offer: Offer) -> Verdict:
        """Decide on one report and note what follows; nothing is written before ``save``."""
        device_id = offer.device.device_id
        state = self._epochs[device_id, offer.epoch]
        own_id = rules.ledger_id(offer)
        known = self._links.get((device_id, own_id))
        # Only a report that is known from elsewhere has a further row.
        here_id = own_id if known is None else rules.link_id(offer)
        known_here = None if known is None else self._links.get((device_id, here_id))
        verdict = rules.judge(offer, state, known, known_here)
        match verdict:
            case Store():
                self._add(offer, own_id, verdict)
                self._move(offer, state, verdict)
            case Advance():
                self._add(offer, here_id, verdict)
                self._move(offer, state, verdict)
            case Fork():
                self._forked[device_id] = (offer, verdict)
        return verdict

    def _add(self, offer: Offer, row_id: str, verdict: Store | Advance) -> None:
        device_id = offer.device.device_id
        self._links[device_id, row_id] = Link(
            offer.epoch, offer.sequence, offer.digest, verdict.chain
        )
        ordered = offer.previous is not None
        place = (offer.epoch, offer.sequence, offer.digest, verdict.chain)
        self._added.append((device_id, row_id, *place, ordered, self._now_ms))

    def _move(self, offer: Offer, state: EpochState, verdict: Store | Advance) -> None:
        key = (offer.device.device_id, offer.epoch)
        # What an epoch is, its first report says: one that mixes is not taken for two copies.
        live = not state.backfill
        if live and not state.current:
            if state.sequence > 0 and offer.previous is not None:
                # It was the present one once, another took over, and now it speaks again: A, B, A.
                # (Without a chain it may as well be a late report of a simple sender.)
                self._alternated[key[0]] = offer
            self._took_over[key[0]] = offer.epoch
            for other, was in self._epochs.items():
                if other[0] == key[0] and was.current:
                    self._set(other, structs.replace(was, current=False))
        kept, now = state.checkpoint_ms, self._now_ms
        if kept is None or now - kept >= _CHECKPOINT_EVERY_MS:
            self._checkpoints.add(key)
            kept = now
        reached = max(state.sequence, verdict.sequence)
        self._set(key, EpochState(reached, verdict.chain, live, state.backfill, kept))

    def _set(self, key: _EpochKey, state: EpochState) -> None:
        self._epochs[key] = self._moved[key] = state

    async def save(self) -> None:
        """Write what the judgements made of the ledger; events of forks and clones go with it."""
        tx = self._tx
        if self._added:
            await store.insert_links(tx, self._added)
        for device_id, epoch in sorted(self._took_over.items()):
            await store.clear_current(tx, device_id, but=epoch)
        if self._moved:
            await store.save_epochs(tx, self._moved)
        if self._checkpoints:
            due = [(key, self._moved[key]) for key in self._checkpoints]
            await store.insert_checkpoints(
                tx,
                [
                    {
                        "device_id": device_id,
                        "epoch": epoch,
                        "sequence": state.sequence,
                        "chain": state.chain,
                        "at": tx.now,
                    }
                    for (device_id, epoch), state in due
                ],
            )
        unused = [key for key in self._begun if key not in self._moved]
        if unused:
            await store.delete_unused_epochs(tx, unused)
        await self._tell()

    async def _tell(self) -> None:
        tx = self._tx
        for offer in self._alternated.values():
            await devices.flag_clone(
                tx,
                offer.device,
                "two copies of this device's store report in turn under one key; "
                "enrol each piece of hardware as a device of its own",
            )
        for device_id, (offer, fork) in sorted(self._forked.items()):
            if not await store.count_fork(tx, device_id, tell_after=tx.now - _TELL_FORKS_EVERY):
                continue
            text = events.EventText(
                "reports.forked",
                "a report did not continue the chain: the device's disk was set back, its store "
                "was copied, or the server was restored",
                metadata={
                    "epoch": offer.epoch,
                    "offered_sequence": offer.sequence,
                    "server_sequence": fork.sequence,
                },
            )
            await events.record(tx, offer.device, text)


async def open_ledger(tx: Tx, offers: Sequence[Offer]) -> Ledger:
    """Read what the ledger has on a batch of reports, with their epochs locked in key order."""
    wanted = {(offer.device.device_id, offer.epoch): offer for offer in offers}
    keys = sorted(wanted)
    epochs = await store.lock_epochs(tx, keys)
    new = [key for key in keys if key not in epochs]
    if new:
        # The row is made before it is judged: on PostgreSQL a second server with the same new epoch
        # waits here for the first one's end, and then sees how far it came.
        await store.begin_epochs(tx, [_beginning(wanted[key], tx) for key in new])
        epochs.update(await store.lock_epochs(tx, new))
    links = await store.find_links(
        tx, [(offer.device.device_id, rules.ledger_id(offer)) for offer in offers]
    )
    elsewhere = [
        offer
        for offer in (offers if links else ())
        if (link := links.get((offer.device.device_id, rules.ledger_id(offer))))
        and link.epoch != offer.epoch
    ]
    if elsewhere:
        further = [(offer.device.device_id, rules.link_id(offer)) for offer in elsewhere]
        links.update(await store.find_links(tx, further))
    return Ledger(tx, links, epochs, new, to_ms(tx.now))


def _beginning(offer: Offer, tx: Tx) -> dict[str, Any]:
    epoch, sequence = offer.continues or (None, None)
    return {
        "device_id": offer.device.device_id,
        "epoch": offer.epoch,
        "store": offer.store,
        "sequence": 0,
        "chain": rules.first_chain(offer.epoch),
        "backfill": offer.backfill,
        "current": False,
        "continues_epoch": epoch,
        "continues_sequence": sequence,
        "began_at": tx.now,
        "last_at": tx.now,
    }


async def list_records(
    tx: Tx, caller: Caller, device: DeviceRef, *, cursor: str | None, limit: int
) -> Page[Record]:
    """List what the ledger has of a device, by epoch and sequence (``device:read``).

    Raises:
        BadCursorError: the cursor is not one of ours.

    """
    caller.require(Scope.DEVICE_READ)
    after = None
    if cursor is not None:
        epoch, sequence, report_id = decode_cursor(cursor, str, int, str)
        after = (str(epoch), int(sequence), str(report_id))
    rows = await store.list_links(tx, device, after, limit + 1)
    shown = rows[:limit]
    more = len(rows) > limit
    return Page(
        [store.record_of(row) for row in shown],
        encode_cursor(shown[-1].epoch, shown[-1].sequence, shown[-1].report_id) if more else None,
    )


async def list_epochs(tx: Tx, caller: Caller, device: DeviceRef) -> list[Epoch]:
    """List a device's epochs with the checkpoints that are kept (``device:read``)."""
    caller.require(Scope.DEVICE_READ)
    return await store.list_epochs(tx, device)


async def purge(tx: Tx, device_ids: Sequence[str], *, checkpoints_before: datetime) -> None:
    """Delete these devices' old checkpoints and epochs."""
    await store.delete_checkpoints(tx, device_ids, checkpoints_before)
    await store.delete_epochs(tx, device_ids, tx.now - EPOCHS_KEPT)


async def purge_ledger(tx: Tx, rows: int) -> int:
    """Delete up to ``rows`` ledger rows over 48 hours old; return how many."""
    return await store.delete_links(tx, tx.now - KEPT, rows)

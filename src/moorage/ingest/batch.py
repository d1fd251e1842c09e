"""One batch of reports in one transaction."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import msgspec

from moorage.core import (
    commands,
    config,
    devices,
    events,
    keys,
    logs,
    reports,
    services,
    streams,
    telemetry,
)
from moorage.core.errors import DomainError, Kind
from moorage.ingest.kept import Kept
from moorage.ingest.model import CommandOut, Incoming, Received
from moorage.ingest.room import Room
from moorage.ingest.rules import Rows, facts_told, result_rows, stream_rows
from moorage.kit.clock import to_ms
from moorage.storage import Tx

Outcome: TypeAlias = Received | DomainError


async def write_batch(tx: Tx, batch: Sequence[Incoming], kept: Kept, room: Room) -> list[Outcome]:
    """Store what is new of a batch; return for each report its acknowledgement or refusal.

    Nothing is acknowledged yet: the caller answers after the commit. A report that is refused for
    want of room is a sign of life all the same.
    """
    # Asked again inside the transaction: a key may have been revoked since the request came in.
    standing = await keys.standing(tx, list({incoming.key_id for incoming in batch}))
    admitted = [incoming for incoming in batch if incoming.key_id in standing]
    offers = [_offer(incoming) for incoming in admitted]
    ledger = await reports.open_ledger(tx, offers)
    rows = Rows(tx.now)
    judged: dict[int, tuple[reports.Verdict, list[str]]] = {}
    turned_away: dict[int, DomainError] = {}
    stored: list[Incoming] = []
    answered: list[Incoming] = []
    heard: list[Incoming] = []
    for incoming, offer in zip(admitted, offers, strict=True):
        refusal = room.refusal(incoming.report)
        if refusal is not None and not ledger.has(offer):
            turned_away[id(incoming)] = refusal
            room.refused += 1
            heard.append(incoming)
            continue
        verdict = ledger.judge(offer)
        notes: list[str] = []
        if isinstance(verdict, reports.Store):
            notes = rows.add(incoming, kept.of(incoming.device.workspace_id))
            stored.append(incoming)
        judged[id(incoming)] = (verdict, notes)
        if not isinstance(verdict, _REFUSED):
            answered.append(incoming)
            heard.append(incoming)
    await ledger.save()
    await telemetry.append(tx, rows.samples)
    await logs.append(tx, rows.logs)
    await events.append(tx, rows.events)
    await _record_present(tx, heard, stored)
    await _record_running(tx, stored, kept, room)
    device_ids = list({incoming.device.device_id for incoming in answered})
    intervals = await devices.intervals(tx, device_ids)
    revisions = await config.current_revisions(tx, device_ids)
    present = {i.device.device_id: i.device for i in answered if not i.report.backfill}
    waiting = await commands.take(tx, list(present.values()))

    def outcome(incoming: Incoming) -> Outcome | None:
        if id(incoming) in turned_away:
            return turned_away[id(incoming)]
        found = judged.get(id(incoming))
        if found is None:
            return None
        verdict, notes = found
        if isinstance(verdict, _REFUSED):
            return _refusal(verdict)
        device_id = incoming.device.device_id
        if device_id not in revisions:  # retired by another server while this batch was written
            return None
        return Received(
            sequence=verdict.sequence,
            chain=verdict.chain,
            report_interval_s=intervals[device_id],
            config_revision=revisions[device_id],
            commands=[
                CommandOut(command.id, command.kind, command.arguments, command.expires_at)
                for command in (() if incoming.report.backfill else waiting.get(device_id, ()))
            ],
            notes=notes,
        )

    return [outcome(incoming) or await locked_out(tx, incoming.key_digest) for incoming in batch]


_REFUSED = (reports.Fork, reports.Reused)


def _offer(incoming: Incoming) -> reports.Offer:
    report = incoming.report
    continues = report.continues
    return reports.Offer(
        device=incoming.device,
        report_id=None if report.id is None else report.id.lower(),
        store=report.store,
        epoch=report.epoch,
        sequence=report.sequence,
        previous=report.previous,
        digest=incoming.digest,
        backfill=report.backfill,
        continues=None if continues is None else (continues.epoch, continues.sequence),
    )


async def _record_present(tx: Tx, heard: Sequence[Incoming], stored: Sequence[Incoming]) -> None:
    """Write the present state: heartbeat, facts, applied config. Backfill changes none of it."""
    live = {i.device.device_id: i for i in heard if not i.report.backfill}
    now_ms = to_ms(tx.now)
    await devices.record_heartbeats(
        tx,
        [
            devices.HeartbeatRow(
                device_id, now_ms, one.report.boot_id, _whole(one.report.uptime_s), one.skew_ms
            )
            for device_id, one in live.items()
        ],
    )
    past = {i.device.device_id for i in heard if i.report.backfill} - live.keys()
    await devices.mark_seen(tx, sorted(past))
    present = [i for i in stored if not i.report.backfill]
    told = [i for i in present if i.report.facts is not None]
    for incoming in sorted(told, key=lambda i: i.device.device_id):
        await devices.record_facts(tx, incoming.device, facts_told(incoming))
    applied = {
        i.device.device_id: config.AppliedRow(
            i.device,
            i.report.config.revision,
            i.report.config.digest,
            i.report.config.state,
            i.report.config.error,
        )
        for i in present
        if i.report.config is not None
    }
    await config.record_applied(tx, list(applied.values()))


async def _record_running(tx: Tx, stored: Sequence[Incoming], kept: Kept, room: Room) -> None:
    """Write what devices run and what came of commands. Backfill brings results only.

    While there is no room, what streams do is noted, and their rates are not added to the record.
    """
    states: dict[str, list[dict[str, Any]]] = {}
    running: dict[str, list[dict[str, Any]]] = {}
    rates: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    for incoming in stored:
        report, device_id = incoming.report, incoming.device.device_id
        results += result_rows(incoming) if report.commands else []
        if report.backfill:
            continue
        if report.streams is not None:
            retention = kept.of(incoming.device.workspace_id)
            states[device_id], added = stream_rows(incoming, tx.now, retention)
            rates += [] if room.full else added
        if report.services is not None:
            running[device_id] = [msgspec.structs.asdict(one) for one in report.services]
    if states:
        await streams.record(tx, states, rates)
    if running:
        await services.record(tx, running)
    if results:
        await commands.record_results(tx, results)


def _whole(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds)


def _refusal(verdict: reports.Fork | reports.Reused) -> DomainError:
    have = {"sequence": verdict.sequence, "chain": verdict.chain}
    if isinstance(verdict, reports.Reused):
        return DomainError(
            Kind.CONFLICT,
            "sequence_reused",
            "another report was received with this id, or at this place of the epoch; "
            "begin a new epoch",
            extra=have,
        )
    return DomainError(
        Kind.CONFLICT,
        "chain_forked",
        "this report does not continue what was received of its epoch; resend from there if you "
        "have it all, else begin a new store and epoch",
        extra=have,
    )


async def locked_out(tx: Tx, key_digest: str) -> DomainError:
    """Say why a key that was good a moment ago opens nothing now."""
    if await devices.find_buried(tx, key_digest) is not None:
        return device_retired()
    return keys.unauthenticated()


def device_retired() -> DomainError:
    """Say the one thing that ends an agent."""
    return DomainError(
        Kind.GONE, "device_retired", "this device was deleted; its agent can stop for good"
    )

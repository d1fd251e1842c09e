"""A table of rollups beside a table of samples: summing up, reading both as one, clearing out."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from moorage.core import timeline
from moorage.core.caller import DeviceRef
from moorage.core.rollups import rules, store
from moorage.core.rollups.model import FINE_MS, HOUR_MS, Figures, Part, Spans
from moorage.core.rollups.service import kept_until
from moorage.core.timeline import Window
from moorage.kit.clock import from_ms, to_ms
from moorage.storage import Engine, Millis, Prepared, Row, Tx, table

_BIG = sa.BigInteger
_SECOND = timedelta(seconds=1)
_MILLISECOND = timedelta(milliseconds=1)


class Rolled:
    """Rollups of one kind of sample."""

    def __init__(
        self,
        name: str,
        samples: sa.Table,
        *,
        means: Sequence[str],
        extremes: Sequence[str] = (),
        of: str | None = None,
    ) -> None:
        """Declare the table.

        Of each column in ``means`` the sum is kept and, where not every sample had it, the number
        of those that did; of each in ``extremes`` the minimum and the maximum. ``of`` is a column
        that tells samples of one device apart.
        """
        self._samples, self._means, self._extremes = samples, tuple(means), tuple(extremes)
        self._of = [] if of is None else [of]
        self._key = ["device_id", "width_s", "start", *self._of]
        self._rows = table(
            name,
            sa.Column("device_id", sa.Text, primary_key=True),
            sa.Column("width_s", sa.Integer, primary_key=True, autoincrement=False),
            sa.Column("start", Millis, primary_key=True, autoincrement=False),
            *(sa.Column(one, sa.Text, primary_key=True) for one in self._of),
            sa.Column("samples", sa.Integer, nullable=False),
            *(sa.Column(f"{one}_sum", sa.Double) for one in means),
            *(sa.Column(f"{one}_n", sa.Integer) for one in means),
            *(sa.Column(f"{one}_min", sa.Double) for one in extremes),
            *(sa.Column(f"{one}_max", sa.Double) for one in extremes),
            clustered=True,
        )
        self._fill_fine = Prepared(self._filled_from_samples)
        self._fill_hours = Prepared(self._filled_from_fine)
        self._read_samples = Prepared(self._read_of_samples)
        self._read_rows = Prepared(self._read_of_rows)

    async def roll_up(self, tx: Tx, spans: Spans) -> None:
        """Sum up whole hours of devices from their samples; what was summed up before is replaced.

        Doing it twice is doing it once, and a step that dies leaves nothing behind.
        """
        given = tx.engine.listed_value(
            [(device_id, str(to_ms(start)), str(to_ms(end))) for device_id, start, end in spans]
        )
        given["_first"] = min(to_ms(start) for _, start, _ in spans)
        given["_last"] = max(to_ms(end) for _, _, end in spans)
        await tx.run_of(self._fill_fine, given)
        await tx.run_of(self._fill_hours, given)

    async def buckets(
        self, tx: Tx, device: DeviceRef, window: Window, *, width: timedelta
    ) -> list[Figures]:
        """Means and extremes by ``of`` and bucket, ascending; a bucket without samples is absent.

        They are those of all samples, however many of them are summed up yet.

        Raises:
            ValueError: the window is open.

        """
        if window.start is None or window.end is None:
            raise ValueError("buckets are of a window with a start and an end")
        start, end, width_ms = to_ms(window.start), to_ms(window.end), width // _MILLISECOND
        # First how far it has come, then the marks, then the figures: what the job commits in
        # between are rows of what is read from samples here.
        rolled = await store.until(tx, store.ROLLED)
        marked = await store.marked(tx, device, end)
        rolled_until = start if rolled is None else to_ms(rolled)
        sums: defaultdict[tuple[str, int], _Sums] = defaultdict(_Sums)
        for part in rules.plan(start, end, width_ms, rolled_until=rolled_until, marked=marked):
            for row in await self._read(tx, device, part, width_ms):
                of = getattr(row, self._of[0]) if self._of else ""
                sums[of, row.bucket].add(row, self._means, self._extremes)
        return [
            Figures(from_ms(at), of or None, one.samples, one.values(self._means, self._extremes))
            for (of, at), one in sorted(sums.items(), key=lambda item: item[0])
        ]

    async def _read(self, tx: Tx, device: DeviceRef, part: Part, width_ms: int) -> Sequence[Row]:
        given = {
            "_device_id": device.device_id,
            "_start": part.start,
            "_end": part.end,
            "_width": width_ms,
        }
        if part.unit_ms == 0:
            return await tx.rows_of(self._read_samples, given)
        return await tx.rows_of(self._read_rows, given | {"_unit": part.unit_ms // 1000})

    async def delete_samples(
        self, tx: Tx, device_ids: Sequence[str], *, before: datetime | None, rows: int
    ) -> int:
        """Delete up to ``rows`` samples of these devices, from before a time or all.

        Before a time means whole hours that are summed up; what is not yet stays.
        """
        if before is not None:
            before = await kept_until(tx, before)
        return await timeline.delete_some(tx, self._samples, device_ids, before=before, rows=rows)

    async def delete_some(
        self,
        tx: Tx,
        device_ids: Sequence[str],
        *,
        before: datetime | None,
        rows: int,
        width: timedelta | None = None,
    ) -> int:
        """Delete up to ``rows`` rows of these devices: of one width from before a time, or any."""
        listed = tx.engine.listed("id")
        key = [self._rows.c[name] for name in self._key]
        old = sa.select(*key).join(listed, listed.c.id == self._rows.c.device_id)
        if width is not None:
            old = old.where(self._rows.c.width_s == width // _SECOND)
        if before is not None:
            old = old.where(self._rows.c.start < before)
        return await tx.run(
            sa.delete(self._rows).where(sa.tuple_(*key).in_(old.limit(rows))),
            tx.engine.listed_value([(device_id,) for device_id in device_ids]),
        )

    def _figures_of_samples(self) -> dict[str, sa.ColumnElement[Any]]:
        rows_of = self._samples.c
        return {
            "samples": sa.func.count(),
            **{f"{one}_sum": sa.func.sum(rows_of[one]) for one in self._means},
            **{f"{one}_n": sa.func.count(rows_of[one]) for one in self._means},
            **{f"{one}_min": sa.func.min(rows_of[one]) for one in self._extremes},
            **{f"{one}_max": sa.func.max(rows_of[one]) for one in self._extremes},
        }

    def _figures_of_rows(self) -> dict[str, sa.ColumnElement[Any]]:
        rows_of = self._rows.c

        def number(one: str) -> sa.ColumnElement[int]:
            return sa.func.sum(sa.func.coalesce(rows_of[f"{one}_n"], rows_of.samples))

        return {
            "samples": sa.func.sum(rows_of.samples),
            **{f"{one}_sum": sa.func.sum(rows_of[f"{one}_sum"]) for one in self._means},
            **{f"{one}_n": number(one) for one in self._means},
            **{f"{one}_min": sa.func.min(rows_of[f"{one}_min"]) for one in self._extremes},
            **{f"{one}_max": sa.func.max(rows_of[f"{one}_max"]) for one in self._extremes},
        }

    def _filled_from_samples(self, engine: Engine) -> sa.Executable:
        return self._filled(
            engine, FINE_MS, self._samples, self._samples.c.at, self._figures_of_samples()
        )

    def _filled_from_fine(self, engine: Engine) -> sa.Executable:
        fine = self._rows.c.width_s == FINE_MS // 1000
        return self._filled(
            engine, HOUR_MS, self._rows, self._rows.c.start, self._figures_of_rows(), fine
        )

    def _filled(
        self,
        engine: Engine,
        unit_ms: int,
        source: sa.Table,
        time: sa.Column[Any],
        figures: Mapping[str, sa.ColumnElement[Any]],
        *where: sa.ColumnElement[bool],
    ) -> sa.Executable:
        """Sum a source up into rows of one width, for the (device, start, end) that are listed."""
        listed = engine.listed("device_id", "start", "end")
        at = sa.type_coerce(time, _BIG)
        # A number that every sample had is not written down: most are.
        kept = [
            sa.func.nullif(figure, figures["samples"]) if name.endswith("_n") else figure
            for name, figure in figures.items()
        ]
        chosen = (
            sa.select(
                source.c.device_id,
                sa.literal(unit_ms // 1000, sa.Integer),
                (at - at % sa.literal(unit_ms, _BIG)).label("bucket"),
                *(source.c[one] for one in self._of),
                *kept,
            )
            .join(listed, listed.c.device_id == source.c.device_id)
            .where(
                at >= sa.cast(listed.c.start, _BIG),
                at < sa.cast(listed.c.end, _BIG),
                # Once more as plain values, which partitions are chosen by.
                at >= sa.bindparam("_first", type_=_BIG),
                at < sa.bindparam("_last", type_=_BIG),
                *where,
            )
            .group_by(
                source.c.device_id, sa.literal_column("3"), *(source.c[one] for one in self._of)
            )
        )
        new = engine.insert(self._rows).from_select([*self._key, *figures], chosen)
        replaced = {name: new.excluded[name] for name in figures}
        filled: sa.Executable = new.on_conflict_do_update(index_elements=self._key, set_=replaced)
        return filled

    def _read_of_samples(self, _engine: Engine) -> sa.Executable:
        return self._summed(self._samples, self._samples.c.at, self._figures_of_samples())

    def _read_of_rows(self, _engine: Engine) -> sa.Executable:
        unit = self._rows.c.width_s == sa.bindparam("_unit", type_=sa.Integer)
        return self._summed(self._rows, self._rows.c.start, self._figures_of_rows(), unit)

    def _summed(
        self,
        source: sa.Table,
        time: sa.Column[Any],
        figures: Mapping[str, sa.ColumnElement[Any]],
        *where: sa.ColumnElement[bool],
    ) -> sa.Executable:
        at = sa.type_coerce(time, _BIG)
        kinds = [source.c[one] for one in self._of]
        return (
            sa.select(
                (at - at % sa.bindparam("_width", type_=_BIG)).label("bucket"),
                *kinds,
                *(figure.label(name) for name, figure in figures.items()),
            )
            .where(
                source.c.device_id == sa.bindparam("_device_id"),
                at >= sa.bindparam("_start", type_=_BIG),
                at < sa.bindparam("_end", type_=_BIG),
                *where,
            )
            .group_by(sa.literal_column("1"), *kinds)
        )


@dataclass(slots=True)
class _Sums:
    """What the parts of one bucket add up to."""

    samples: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    lowest: dict[str, float] = field(default_factory=dict)
    highest: dict[str, float] = field(default_factory=dict)

    def add(self, row: Row, means: Sequence[str], extremes: Sequence[str]) -> None:
        self.samples += row.samples
        for name in means:
            if (count := getattr(row, f"{name}_n")) > 0:
                self.sums[name] = self.sums.get(name, 0.0) + getattr(row, f"{name}_sum")
                self.counts[name] = self.counts.get(name, 0) + count
        for name in extremes:
            if (low := getattr(row, f"{name}_min")) is not None:
                self.lowest[name] = min(low, self.lowest.get(name, low))
            if (high := getattr(row, f"{name}_max")) is not None:
                self.highest[name] = max(high, self.highest.get(name, high))

    def values(self, means: Sequence[str], extremes: Sequence[str]) -> dict[str, float | None]:
        found: dict[str, float | None] = {
            name: self.sums[name] / self.counts[name] if name in self.counts else None
            for name in means
        }
        found |= {f"{name}_min": self.lowest.get(name) for name in extremes}
        return found | {f"{name}_max": self.highest.get(name) for name in extremes}

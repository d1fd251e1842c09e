"""The job that sums samples up: hour by hour through all devices, and where late ones came.

Any server may do a step at any time; rows that are locked decide who does, and a step that dies is
rolled back whole and done by the next one.
"""

import asyncio
import time
from datetime import timedelta

from moorage.core import devices, rollups, streams, telemetry
from moorage.storage import Database, Tx, claims

EVERY = timedelta(seconds=30)
# A step's device-hours follow from how long the last step took: on SQLite reports wait for it.
_STEP_S = 0.02
_MOST_HOURS = 240
_FIRST_HOURS = 24
_PAUSE_S = 0.05


class Rolling:
    """Rolls samples up in small steps."""

    def __init__(self, db: Database) -> None:
        """Keep the database."""
        self._db = db
        self._hours = _FIRST_HOURS

    async def run_if_due(self) -> None:
        """Run, if no other server does in these seconds."""
        if await claims.take_turn(self._db, "rollups", every=EVERY):
            await self.run()

    async def run(self) -> None:
        """Sum up all there is to sum up."""
        more = True
        while more:
            async with self._db.write() as tx:
                more = await rollups.close(tx)
            while True:
                if not await self.step():
                    break
                await asyncio.sleep(_PAUSE_S)

    async def step(self) -> bool:
        """Sum up a little; return whether there was anything to do."""
        async with self._db.write() as tx:
            began = time.perf_counter()
            walk = await rollups.next_walk(tx)
            if walk is not None:
                done = await self._walk_on(tx, walk)
            else:
                spans = await rollups.take_marks(tx, self._hours)
                done = len(spans)
                await _roll_up(tx, spans)
            took = time.perf_counter() - began
        if done:
            self._hours = _next_hours(self._hours, took)
        return walk is not None or done > 0

    async def _walk_on(self, tx: Tx, walk: rollups.Walk) -> int:
        """Sum up the next few devices of a walk; return how many device-hours that was."""
        hours = (walk.end - walk.start) // rollups.HOUR
        device_ids = await devices.ids_after(tx, walk.after, max(1, self._hours // hours))
        await _roll_up(tx, [(device_id, walk.start, walk.end) for device_id in device_ids])
        await rollups.walked(tx, walk, device_ids[-1] if device_ids else None)
        return len(device_ids) * hours


async def _roll_up(tx: Tx, spans: rollups.Spans) -> None:
    if spans:
        await telemetry.roll_up(tx, spans)
        await streams.roll_up(tx, spans)


def _next_hours(hours: int, took_s: float) -> int:
    """Return how many device-hours to try next; never more than double, never none."""
    wanted = hours * min(_STEP_S / max(took_s, 1e-6), 2.0)
    return max(1, min(_MOST_HOURS, round(wanted)))

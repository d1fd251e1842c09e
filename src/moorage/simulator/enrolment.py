"""Devices of a run, made through the API: enrolled by a token for many, deleted in the end."""

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from moorage.sdk import AsyncMoorage, MoorageError, NotFound
from moorage.simulator.client import Client
from moorage.simulator.sending import Unreachable
from moorage_agent import keytext

T = TypeVar("T")

TAG = "simulated"
_TOKEN_EXPIRES_S = 3600
_ENROL_AT_ONCE = 32
_DELETE_AT_ONCE = 8
_TRIES = 12
_LONGEST_PAUSE_S = 10.0


class SimulationFailed(MoorageError):
    """The run could not be made; the sentence says why."""


@dataclass(frozen=True)
class Newcomer:
    """A device to enrol: the id it brings along, its name, and the profile it is of."""

    external_id: str
    name: str
    profile: str


@dataclass(frozen=True)
class Enrolled:
    """A device that was let in, and how often it is to report."""

    device_id: str
    interval_s: float
    key: str = field(repr=False)


@asynccontextmanager
async def tokens(
    fleet: AsyncMoorage, profiles: Iterable[str], run: str
) -> AsyncIterator[dict[str, str]]:
    """Give a token for each profile while the block lasts; what it made carries the run's tag.

    Raises:
        ApiError, ConnectionFailed: as the client does.

    """
    made: dict[str, str] = {}
    ids: list[str] = []
    try:
        for profile in sorted(set(profiles)):
            token = await fleet.provisioning_tokens.create(
                f"simulator {run}",
                expires_in_s=_TOKEN_EXPIRES_S,
                tags=[TAG, run],
                type=profile,
            )
            ids.append(token.id)
            made[profile] = token.token or ""
        yield made
    finally:
        for token_id in ids:
            # It expires by itself; what went wrong before is what is to be told.
            with contextlib.suppress(MoorageError):
                await fleet.provisioning_tokens.revoke(token_id)


async def enrol(
    client: Client,
    newcomers: Sequence[Newcomer],
    by: dict[str, str],
    on_enrolled: Callable[[int, Enrolled], None],
) -> None:
    """Enrol devices, some at once; each is told with its number as soon as it is in.

    Raises:
        SimulationFailed: one was refused, or the server does not answer.

    """

    async def one(number: int) -> None:
        newcomer = newcomers[number]
        on_enrolled(number, await _enrol_one(client, newcomer, by[newcomer.profile]))

    await _each(range(len(newcomers)), one, at_once=_ENROL_AT_ONCE)


async def _enrol_one(client: Client, newcomer: Newcomer, token: str) -> Enrolled:
    # Proposed by the device, so that the same token with it is answered again after a lost answer.
    key = keytext.new_device_key()
    about = {"device_id": newcomer.external_id, "name": newcomer.name}
    told = {"provisioning_token": token, "device_key": key, "device": about}
    body = json.dumps(told).encode()
    said = ""
    for tried in range(_TRIES):
        outcome = await client.request(
            "POST", "/v1/enroll", body, lambda: {"Content-Type": "application/json"}
        )
        if isinstance(outcome, Unreachable):
            said, wait_s = outcome.reason, 0.0
        elif outcome.status == 200 and outcome.body and outcome.body.get("device_id"):  # noqa: PLR2004
            interval = float(outcome.body.get("report_interval_s") or 30)
            return Enrolled(str(outcome.body["device_id"]), interval, key)
        elif outcome.status in (429, 503):
            said, wait_s = outcome.explained(), outcome.retry_after_s or 0.0
        else:
            raise SimulationFailed(f"a device was not enrolled: {outcome.explained()}")
        spread = random.random() * min(0.25 * 2**tried, _LONGEST_PAUSE_S)  # noqa: S311
        await asyncio.sleep(min(wait_s, _LONGEST_PAUSE_S) + spread)
    raise SimulationFailed(f"a device was not enrolled after {_TRIES} tries: {said}")


async def delete(
    fleet: AsyncMoorage, device_ids: Sequence[str], on_deleted: Callable[[], None]
) -> None:
    """Delete devices, some at once. Raises as the client does."""

    async def one(device_id: str) -> None:
        with contextlib.suppress(NotFound):
            await fleet.devices.delete(device_id)
        on_deleted()

    await _each(device_ids, one, at_once=_DELETE_AT_ONCE)


async def _each(items: Iterable[T], work: Callable[[T], Awaitable[None]], *, at_once: int) -> None:
    """Do the work for each item, so many at once; the first failure ends all."""
    left = iter(items)

    async def worker() -> None:
        for item in left:
            await work(item)

    workers = [asyncio.create_task(worker()) for _ in range(at_once)]
    try:
        await asyncio.gather(*workers)
    finally:
        for task in workers:
            task.cancel()
        await asyncio.gather(*workers, return_exceptions=True)

"""``Idempotency-Key`` as the native API has it: a replayed answer says that it is one."""

from collections.abc import Awaitable, Callable
from typing import Any

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from moorage.core.caller import Caller
from moorage.dialects import common
from moorage.storage import Tx


async def answered_once(
    request: Request,
    tx: Tx,
    caller: Caller,
    work: Callable[[], Awaitable[BaseModel]],
    *,
    secrets: frozenset[str] = frozenset(),
) -> Response:
    """Do the work and answer 201, or replay the first answer; otherwise as in ``common``."""

    async def body() -> dict[str, Any]:
        return (await work()).model_dump()

    return await common.answered_once(
        request, tx, caller, body, secrets=secrets, mark={"replayed": True}
    )

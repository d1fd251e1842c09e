"""What was tried with an install token and refused, noted for whoever waits for the device."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.requests import Request

from moorage.core import provisioning
from moorage.core.errors import DomainError
from moorage.dialects.common.services import Services
from moorage.kit.ids import key_text_prefix


@asynccontextmanager
async def refusals_noted(services: Services, request: Request, token: str) -> AsyncIterator[None]:
    """Note a refusal of the block, in a transaction of its own, and let it go on."""
    try:
        yield
    except DomainError as error:
        await note_attempt(services, request, token, outcome="refused", reason=error.detail)
        raise


async def note_attempt(
    services: Services, request: Request, token: str, *, outcome: str, reason: str
) -> None:
    """Note one attempt; garbage is not worth a look at the database."""
    if key_text_prefix(token) is None:
        return
    address = request.client.host if request.client else None
    async with services.db.write(brief=True) as tx:
        await provisioning.note_attempt(tx, token, address=address, outcome=outcome, reason=reason)

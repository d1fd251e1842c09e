"""Enrolment by a token for many: judged again when a copy was a moment earlier."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from moorage.core import provisioning
from moorage.core.errors import DomainError
from moorage.core.provisioning import Enrolled, Newcomer, Reserved
from moorage.dialects.common.services import Services


async def provisioned(  # noqa: PLR0913 - what a device may bring along
    services: Services,
    request: Request,
    *,
    token: str,
    newcomer: Newcomer,
    told: Mapping[str, Any],
    device_key: str | None = None,
    with_environment: bool = False,
    reserved: Reserved | None = None,
) -> Enrolled:
    """Enrol a device in a transaction of its own, durable on return.

    Raises:
        DomainError: as ``provisioning.provision`` does; ``device_exists`` after it was noted.

    """
    address = request.client.host if request.client else None

    async def once() -> Enrolled | DomainError:
        async with services.db.write(brief=True) as tx:
            return await provisioning.provision(
                tx,
                token=token,
                device_key=device_key,
                newcomer=newcomer,
                told=told,
                address=address,
                with_environment=with_environment,
                reserved=reserved,
            )

    try:
        outcome = await once()
    except DomainError as error:
        if error.code != provisioning.DEVICE_EXISTS:
            raise
        # Another transaction made this device meanwhile. Now it is known, and that a copy came is
        # kept.
        outcome = await once()
    if isinstance(outcome, DomainError):
        raise outcome
    return outcome

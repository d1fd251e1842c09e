"""``/api/provisioning-tokens``: tokens that many devices enrol with."""

from datetime import timedelta

from fastapi import APIRouter, Depends
from starlette.requests import Request

from moorage.core import provisioning
from moorage.core.caller import Scope
from moorage.dialects.acusight.auth import Sessions
from moorage.dialects.acusight.pages import Limit, Offset
from moorage.dialects.acusight.wire import (
    Answer,
    ListAnswer,
    RevokedOut,
    TokenIn,
    TokenMadeOut,
    TokenOut,
    paged,
    revoked_already,
    uuid_of,
)
from moorage.dialects.common import Services


def router(services: Services, sessions: Sessions) -> APIRouter:
    """Build the routes."""
    routes = APIRouter(
        prefix="/api/provisioning-tokens",
        tags=["tokens"],
        dependencies=[Depends(sessions.key_first)],
    )

    @routes.post("", status_code=201)
    async def make_token(request: Request, body: TokenIn) -> Answer[TokenMadeOut]:
        """Make a token; its text is shown this once."""
        days = body.expires_in_days
        async with sessions.writing(request) as (tx, caller):
            made = await provisioning.create_token(
                tx,
                caller,
                name=body.name,
                expires_in=None if days is None else timedelta(days=days),
                max_uses=1 if body.single_use else body.max_uses,
                policy=body.policy,
                tags=body.tags,
                device_type=body.device_type,
            )
        line = provisioning.install_line(services.address, made.text)
        return Answer(data=TokenMadeOut.made(made, line))

    @routes.get("")
    async def list_tokens(
        request: Request, limit: Limit = 50, offset: Offset = 0
    ) -> ListAnswer[TokenOut]:
        """List tokens, newest first."""
        async with sessions.reading(request) as (tx, caller):
            total = await provisioning.count_tokens(tx, caller)
            page = await provisioning.list_tokens(
                tx, caller, cursor=None, limit=limit, offset=offset
            )
        data = [TokenOut.of(token) for token in page.items]
        return ListAnswer(data=data, meta=paged(limit, offset, len(data), total))

    @routes.delete("/{token_id}")
    async def revoke_token(request: Request, token_id: str) -> Answer[RevokedOut]:
        """End a token for good; the devices it made stay."""
        async with sessions.writing(request) as (tx, caller):
            caller.require(Scope.TOKEN_WRITE)
            wanted = uuid_of(token_id)
            found = await provisioning.get_token(tx, caller, wanted, needs=Scope.TOKEN_WRITE)
            if found.revoked_at is not None:
                raise revoked_already()
            revoked = TokenOut.of(await provisioning.revoke_token(tx, caller, wanted))
        return Answer(data=RevokedOut(id=revoked.id, revoked_at=revoked.revoked_at))

    return routes

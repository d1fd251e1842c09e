"""``/v1/provisioning-tokens``: tokens that many devices enrol with."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from moorage.core import provisioning
from moorage.core.provisioning import Policy, ProvisioningToken
from moorage.dialects.common import Services
from moorage.dialects.native.idempotency import answered_once
from moorage.dialects.native.pages import Limit
from moorage.dialects.native.wire import Body, PageOut, Text, time_text
from moorage.kit.clock import rfc3339

_DAYS_30 = 30 * 86_400


class TokenIn(Body):
    """A token to make. ``expires_in_s`` null: never; ``single_use`` is ``max_uses`` 1."""

    name: Text
    expires_in_s: int | None = Field(default=_DAYS_30, ge=60, le=3650 * 86_400)
    single_use: bool = False
    max_uses: int | None = Field(default=None, ge=1, le=1_000_000)
    policy: Annotated[Policy, Field(strict=False)] = Policy.REJECT
    tags: list[Text] = Field(default=[], max_length=1000)
    type: Text | None = None


class TokenOut(BaseModel):
    """A token, never its text. ``tags`` and ``type`` are for each device it makes."""

    id: str
    name: str
    live_mode: bool
    policy: str
    single_use: bool
    max_uses: int | None
    use_count: int
    tags: list[str]
    type: str | None
    created_at: str
    created_by: str
    expires_at: str | None
    last_used_at: str | None
    revoked_at: str | None

    @classmethod
    def of(cls, token: ProvisioningToken) -> "TokenOut":
        """Render."""
        return cls(
            id=token.id,
            name=token.name,
            live_mode=token.live,
            policy=token.policy,
            single_use=token.max_uses == 1,
            max_uses=token.max_uses,
            use_count=token.use_count,
            tags=list(token.tags),
            type=token.device_type,
            created_at=rfc3339(token.created_at),
            created_by=token.created_by,
            expires_at=time_text(token.expires_at),
            last_used_at=time_text(token.last_used_at),
            revoked_at=time_text(token.revoked_at),
        )


class TokenMadeOut(TokenOut):
    """A token just made: its text and the line to paste, both shown once."""

    token: str
    install_command: str


def router(services: Services) -> APIRouter:
    """Build the routes."""
    routes = APIRouter(prefix="/v1/provisioning-tokens", tags=["provisioning tokens"])
    callers = services.callers

    @routes.get("")
    async def list_tokens(
        request: Request,
        limit: Limit = 50,
        cursor: str | None = None,
    ) -> PageOut[TokenOut]:
        """List tokens of the key's mode, newest first."""
        async with callers.reading(request) as (tx, caller):
            page = await provisioning.list_tokens(tx, caller, cursor=cursor, limit=limit)
        data = [TokenOut.of(token) for token in page.items]
        return PageOut(data=data, next_cursor=page.next_cursor)

    @routes.post("", status_code=201, response_model=TokenMadeOut)
    async def make_token(request: Request, body: TokenIn) -> Response:
        """Make a token; its text is shown once."""
        lifetime = None if body.expires_in_s is None else timedelta(seconds=body.expires_in_s)
        async with callers.writing(request) as (tx, caller):

            async def work() -> TokenMadeOut:
                made = await provisioning.create_token(
                    tx,
                    caller,
                    name=body.name,
                    expires_in=lifetime,
                    max_uses=1 if body.single_use else body.max_uses,
                    policy=body.policy,
                    tags=body.tags,
                    device_type=body.type,
                )
                return TokenMadeOut(
                    **TokenOut.of(made.token).model_dump(),
                    token=made.text,
                    install_command=provisioning.install_line(services.address, made.text),
                )

            secrets = frozenset({"token", "install_command"})
            answer = await answered_once(request, tx, caller, work, secrets=secrets)
        return answer

    @routes.get("/{token_id}")
    async def get_token(request: Request, token_id: str) -> TokenOut:
        """Return one token."""
        async with callers.reading(request) as (tx, caller):
            return TokenOut.of(await provisioning.get_token(tx, caller, token_id))

    @routes.delete("/{token_id}")
    async def revoke_token(request: Request, token_id: str) -> TokenOut:
        """End a token for good; the devices it made stay."""
        async with callers.writing(request) as (tx, caller):
            revoked = TokenOut.of(await provisioning.revoke_token(tx, caller, token_id))
        return revoked

    return routes

"""``/console/workspace/tokens``: tokens that many devices come with, and how often they did."""

from starlette.requests import Request
from starlette.responses import Response

from moorage.console import web
from moorage.console.queries import workspace_tokens as queries
from moorage.core import provisioning

_TOKENS = "workspace/_tokens.html"


async def show(request: Request) -> Response:
    """Show the tokens of this mode."""
    async with web.reading(request) as (tx, caller):
        page = await queries.show(tx, caller, after=request.query_params.get("after"))
    name = _TOKENS if web.is_fragment(request) else "workspace/tokens.html"
    return web.render(request, name, page, headers={"Vary": "HX-Request"})


async def revoke(request: Request) -> Response:
    """End a token for good; the devices it made stay."""
    async with web.writing(request) as (tx, caller):
        token = await provisioning.revoke_token(tx, caller, request.path_params["token_id"])
        page = await queries.show(tx, caller)
    told = f"{token.name} is revoked; the devices that came with it stay."
    return web.tell(web.render(request, _TOKENS, page), told)

"""``/console/workspace/people``: who is in the workspace, and who is invited."""

from starlette.requests import Request
from starlette.responses import Response

from moorage.console import web
from moorage.console.links import address_of
from moorage.console.queries import people as queries
from moorage.core import accounts

_PAGE = "/console/workspace/people"
_INVITATIONS = "people/_invitations.html"


async def show(request: Request) -> Response:
    """Show the people."""
    async with web.reading(request) as (tx, caller):
        page = await queries.show(tx, caller)
    return web.render(request, "people/page.html", page)


async def invite(request: Request) -> Response:
    """Make an invitation; its link is shown this once."""
    form = await web.form_of(request)
    public_url = web.console_of(request).services.public_url
    async with web.writing(request) as (tx, caller):
        made = await accounts.invite(tx, caller, form.text("email"), form.text("role"))
        page = await queries.invitations(
            tx, caller, address=address_of(public_url, made), made_for=made.link.email or ""
        )
    return web.render(request, _INVITATIONS, page)


async def revoke_invite(request: Request) -> Response:
    """Take an invitation back."""
    async with web.writing(request) as (tx, caller):
        await accounts.revoke_invite(tx, caller, request.path_params["invite_id"])
        page = await queries.invitations(tx, caller)
    return web.tell(web.render(request, _INVITATIONS, page), "The invitation is void.")


async def change_role(request: Request) -> Response:
    """Give a member another role."""
    form = await web.form_of(request)
    async with web.writing(request) as (tx, caller):
        member = await accounts.change_role(
            tx, caller, request.path_params["account_id"], form.text("role")
        )
    return web.go(request, _PAGE, f"{member.account.name} is {member.role} now.")


async def remove(request: Request) -> Response:
    """End a membership."""
    async with web.writing(request) as (tx, caller):
        await accounts.remove_member(tx, caller, request.path_params["account_id"])
    return web.go(request, _PAGE, "Removed, and signed out everywhere in this workspace.")

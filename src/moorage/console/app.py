"""The console as one ASGI application: every page's route, the headers, the body's bounds."""

from typing import Any

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from moorage.console import errors
from moorage.console.showing import environment
from moorage.console.signing_in import Endpoint, open_to_all, signed_in
from moorage.console.statics import PREFIX, Statics
from moorage.console.views import (
    account,
    add,
    bulk,
    device,
    device_config,
    device_overview,
    device_tabs,
    entrance,
    events,
    fleet,
    outside,
    palette,
    people,
    saved,
    workspace_audit,
    workspace_config,
    workspace_health,
    workspace_keys,
    workspace_tokens,
)
from moorage.console.web import HOME, Console
from moorage.core.accounts import Passwords
from moorage.core.errors import DomainError
from moorage.dialects.common import BODY_LIMIT, BodyGuard, Services
from moorage.kit.jsonvalue import UnfitJsonError
from moorage.kit.pages import BadCursorError
from moorage.storage import StorageError

_GET, _POST = "GET", "POST"


async def _home(_request: Request) -> Response:
    return RedirectResponse(HOME, 303)


# Every page: its method, its address, its view. A new page is a line here, and one in nav.py.
PAGES: tuple[tuple[str, str, Endpoint], ...] = (
    (_GET, "/console", _home),
    (_GET, "/console/events", events.follow),
    (_GET, "/console/palette", palette.find),
    # --- the session
    (_GET, "/console/session", account.session),
    (_GET, "/console/session/back", account.back),
    (_GET, "/console/switch", account.places),
    (_POST, "/console/switch", account.switch),
    (_POST, "/console/sign-out", account.sign_out),
    # --- the own account
    (_GET, "/console/account", account.show),
    (_POST, "/console/account/name", account.rename),
    (_POST, "/console/account/password", account.change_password),
    (_POST, "/console/account/second-factor", account.begin_second_factor),
    (_POST, "/console/account/second-factor/confirm", account.confirm_second_factor),
    (_POST, "/console/account/second-factor/remove", account.remove_second_factor),
    (_POST, "/console/account/recovery-codes", account.renew_recovery_codes),
    (_POST, "/console/account/sessions/{session_id}/end", account.end_session),
    (_POST, "/console/account/sessions/end-others", account.end_other_sessions),
    (_POST, "/console/account/accept", account.accept_invitation),
    (_POST, "/console/account/outside", outside.begin_link),
    (_POST, "/console/account/outside/unlink", outside.unlink),
    # --- people
    (_GET, "/console/workspace/people", people.show),
    (_POST, "/console/workspace/people/invite", people.invite),
    (_POST, "/console/workspace/people/invites/{invite_id}/revoke", people.revoke_invite),
    (_POST, "/console/workspace/people/{account_id}/role", people.change_role),
    (_POST, "/console/workspace/people/{account_id}/remove", people.remove),
    # --- the workspace
    (_GET, "/console/workspace/keys", workspace_keys.show),
    (_POST, "/console/workspace/keys", workspace_keys.make),
    (_POST, "/console/workspace/keys/{key_id}/roll", workspace_keys.roll),
    (_POST, "/console/workspace/keys/{key_id}/switch", workspace_keys.switch),
    (_POST, "/console/workspace/keys/{key_id}/protect", workspace_keys.protect),
    (_POST, "/console/workspace/keys/{key_id}/revoke", workspace_keys.revoke),
    (_GET, "/console/workspace/tokens", workspace_tokens.show),
    (_POST, "/console/workspace/tokens/{token_id}/revoke", workspace_tokens.revoke),
    (_GET, "/console/workspace/config", workspace_config.show),
    (_POST, "/console/workspace/config", workspace_config.save),
    (_POST, "/console/workspace/config/check", workspace_config.check),
    (_POST, "/console/workspace/config/kept", workspace_config.keep),
    (_GET, "/console/workspace/audit", workspace_audit.show),
    (_GET, "/console/workspace/audit/export.csv", workspace_audit.export),
    (_GET, "/console/workspace/health", workspace_health.show),
    (_GET, "/console/workspace/health/server", workspace_health.server),
    # --- the fleet
    (_GET, "/console/devices", fleet.show),
    (_GET, "/console/fleet/rows", fleet.rows),
    (_GET, "/console/fleet/filters", fleet.filters),
    (_GET, "/console/fleet/export.csv", fleet.export),
    (_GET, "/console/fleet/bulk/{action}", bulk.ask),
    (_POST, "/console/fleet/bulk", bulk.run),
    (_GET, "/console/fleet/views", saved.show),
    (_POST, "/console/fleet/views", saved.save),
    (_POST, "/console/fleet/views/remove", saved.remove),
    # --- adding one
    (_GET, "/console/devices/add", add.show),
    (_POST, "/console/devices/add", add.make),
    (_POST, "/console/devices/add/token", add.token),
    (_POST, "/console/devices/add/virtual", add.make_virtual),
    (_GET, "/console/devices/add/{device_id}", add.setup),
    (_GET, "/console/devices/add/{device_id}/waiting", add.waiting),
    (_GET, "/console/devices/add/{device_id}/command", add.command_over),
    (_POST, "/console/devices/add/{device_id}/command", add.command),
    (_POST, "/console/devices/add/{device_id}/bundle", add.bundle),
    (_GET, "/console/workspace/tokens/{token_id}/uses", add.token_uses),
    # --- a device; below what else stands under /console/devices, such as /add
    (_GET, "/console/devices/{device_id}", device_overview.show),
    (_GET, "/console/devices/{device_id}/telemetry.json", device_overview.chart),
    (_GET, "/console/devices/{device_id}/state", device.state),
    (_POST, "/console/devices/{device_id}/edit", device.edit),
    (_POST, "/console/devices/{device_id}/approval", device.set_approval),
    (_POST, "/console/devices/{device_id}/release", device.release),
    (_POST, "/console/devices/{device_id}/retire", device.retire),
    (_GET, "/console/devices/{device_id}/config", device_config.show),
    (_POST, "/console/devices/{device_id}/config", device_config.save),
    (_POST, "/console/devices/{device_id}/config/check", device_config.check),
    (_GET, "/console/devices/{device_id}/config/compare", device_config.compare),
    (_POST, "/console/devices/{device_id}/config/rollback", device_config.roll_back),
    (_POST, "/console/devices/{device_id}/config/secrets", device_config.set_secret),
    (_POST, "/console/devices/{device_id}/config/secrets/remove", device_config.remove_secret),
    *device_tabs.PAGES,
)
# What is there before anybody signed in.
ENTRANCE: tuple[tuple[str, str, Endpoint], ...] = (
    (_GET, "/console/sign-in", entrance.show_sign_in),
    (_POST, "/console/sign-in", entrance.sign_in),
    (_POST, "/console/sign-in/code", entrance.sign_in_with_code),
    (_GET, "/console/sign-in/outside", outside.begin),
    (_GET, "/console/sign-in/back", outside.come_back),
    (_GET, "/console/set-up", entrance.show_set_up),
    (_POST, "/console/set-up", entrance.set_up),
    (_POST, "/console/set-up/look", entrance.look_at_set_up),
    (_GET, "/console/invitation", entrance.show_invitation),
    (_POST, "/console/invitation", entrance.accept_invitation),
    (_POST, "/console/invitation/look", entrance.look_at_invitation),
    (_GET, "/console/password", entrance.show_new_password),
    (_POST, "/console/password", entrance.set_new_password),
)

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; "
    "base-uri 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}


class Headers:
    """ASGI middleware that gives every answer the console's headers; pages are kept nowhere."""

    def __init__(self, app: ASGIApp) -> None:
        """Keep what answers."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self._app(scope, receive, with_headers)


def create_app(services: Services, *, passwords: Passwords | None = None) -> ASGIApp:
    """Build the console; without its front-end parts, a page that says what is missing."""
    statics = Statics()
    if statics.missing:
        return _missing(statics.missing)
    routes = [_route(*page, guard=signed_in) for page in PAGES]
    routes += [_route(*page, guard=open_to_all) for page in ENTRANCE]
    routes.append(_route(_GET, PREFIX + "/{digest}/{name:path}", statics.serve, guard=open_to_all))
    handlers: dict[Any, Any] = dict.fromkeys(
        (DomainError, StorageError, BadCursorError, UnfitJsonError), errors.refused
    )
    handlers |= {HTTPException: errors.unknown, Exception: errors.broken}

    def refuse(error: DomainError) -> ASGIApp:
        async def refusal(scope: Scope, receive: Receive, send: Send) -> None:
            response = await errors.refused(Request(scope), error)
            await response(scope, receive, send)

        return refusal

    app = Starlette(
        routes=routes,
        exception_handlers=handlers,
        middleware=[Middleware(BodyGuard, limit=BODY_LIMIT, refuse=refuse)],
    )
    app.router.redirect_slashes = False
    app.state.console = Console(
        services,
        environment(statics),
        statics,
        passwords or Passwords(),
        frozenset(path for method, path, _ in PAGES if method == _GET),
    )
    return Headers(app)


def _route(method: str, path: str, view: Endpoint, *, guard: Any) -> Route:
    guarded: Endpoint = guard(view)

    async def endpoint(request: Request) -> Response:
        # What the server's log and metrics name it by: never the path itself.
        request.scope["moorage.route"] = path
        return await guarded(request)

    return Route(path, endpoint, methods=[method])


def _missing(names: list[str]) -> ASGIApp:
    text = (
        "The web console is not complete: its front-end parts are missing.\n\n"
        "Run `make setup` where there is npm, or a network to fetch it from, then start the server "
        "again.\nThe API and the agents work all the same; see /v1/docs.\n\nMissing: "
    )

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        response = Response(text + ", ".join(names) + "\n", 503, media_type="text/plain")
        await response(scope, receive, send)

    return Headers(answer)

"""``GET /devices/v2/{installId}/install.sh``: the line an owner pastes on a device ends here."""

import re

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from moorage.core import provisioning
from moorage.core.errors import DomainError, Kind, of_exception
from moorage.dialects.common import Services, note_attempt, refusals_noted
from moorage.storage import StorageError

_PATH = re.compile(r"/devices/v2/([^/]{1,128})/install\.sh")
TEMPLATE = "/devices/v2/{install_id}/install.sh"
MEDIA_TYPE = "text/x-shellscript"
_STATUS = {Kind.NOT_FOUND: 404, Kind.GONE: 410, Kind.STORAGE_FULL: 507}
# The address holds a secret: nobody between us and the device may keep the answer.
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class InstallApp:
    """Serves the installer of one token; a refusal is a script as well, so that it fails loudly."""

    def __init__(self, services: Services) -> None:
        """Keep the parts."""
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        response = await self._answer(Request(scope, receive))
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        found = _PATH.fullmatch(request.url.path)
        if found is None:
            return PlainTextResponse("there is nothing at this address\n", 404)
        request.scope["moorage.route"] = TEMPLATE
        if request.method not in ("GET", "HEAD"):
            return PlainTextResponse("GET it\n", 405, {"Allow": "GET, HEAD"})
        try:
            async with (
                refusals_noted(self._services, request, found[1]),
                self._services.db.read() as tx,
            ):
                await provisioning.check_install_token(tx, found[1])
            if request.method == "GET":
                await note_attempt(
                    self._services,
                    request,
                    found[1],
                    outcome="fetched",
                    reason="the installer was fetched",
                )
        except (DomainError, StorageError) as error:
            refusal = of_exception(error)
            kind = refusal.kind if refusal else Kind.UNAVAILABLE
            detail = refusal.detail if refusal else "the server failed"
            script = provisioning.render_refusal_script(f"{detail}; ask the owner for a fresh one")
            return Response(script, _STATUS.get(kind, 503), _HEADERS, media_type=MEDIA_TYPE)
        script = provisioning.render_install_script(
            server_url=self._services.public_url,
            token=found[1],
            agent_sha256=provisioning.agent_zipapp().sha256,
        )
        return Response(script, 200, _HEADERS, media_type=MEDIA_TYPE)

"""``GET /setup``: the installer that takes a token for many as its first argument."""

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from moorage.core import provisioning
from moorage.dialects.common import Services

PATH = "/setup"
MEDIA_TYPE = "text/x-shellscript"
# It names this release's agent by its digest: what is kept must be asked about again.
_HEADERS = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}


class SetupApp:
    """Serves the installer, the same for everybody: it holds no secret."""

    def __init__(self, services: Services) -> None:
        """Keep the parts."""
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        await self._answer(Request(scope, receive))(scope, receive, send)

    def _answer(self, request: Request) -> Response:
        if request.url.path != PATH:
            return PlainTextResponse("there is nothing at this address\n", 404)
        request.scope["moorage.route"] = PATH
        if request.method not in ("GET", "HEAD"):
            return PlainTextResponse("GET it\n", 405, {"Allow": "GET, HEAD"})
        script = provisioning.render_install_script(
            server_url=self._services.public_url,
            token=None,
            agent_sha256=provisioning.agent_zipapp().sha256,
        )
        return PlainTextResponse(script, 200, _HEADERS, media_type=MEDIA_TYPE)

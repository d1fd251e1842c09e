"""``/v1/openapi.json`` and ``/v1/docs``: readable, with assets served by us."""

from importlib.resources import files
from pathlib import Path

import fastapi_offline
from fastapi import FastAPI
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

# No third-party origin and no inline script; Swagger UI sets style attributes and data: images.
_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_ASSETS = Path(fastapi_offline.__file__).parent / "static"


def add(api: FastAPI) -> None:
    """Add the pages to an application."""
    here = files("moorage.dialects.native")
    page = here.joinpath("docs.html").read_text("utf-8")
    script = here.joinpath("docs.js").read_text("utf-8")

    @api.get("/v1/openapi.json", include_in_schema=False)
    async def openapi_document() -> JSONResponse:
        return JSONResponse(api.openapi())

    @api.get("/v1/docs", include_in_schema=False)
    async def docs_page() -> HTMLResponse:
        headers = {"Content-Security-Policy": _CSP, "Referrer-Policy": "no-referrer"}
        return HTMLResponse(page, headers=headers)

    @api.get("/v1/docs/start.js", include_in_schema=False)
    async def docs_script() -> Response:
        return Response(script, media_type="text/javascript")

    api.mount("/v1/docs/assets", StaticFiles(directory=_ASSETS), name="docs-assets")

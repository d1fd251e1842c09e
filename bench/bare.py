"""The raw limit beside our figures: a Starlette route that reads the body and answers a constant.

Served by the same web server with the same options as Moorage (see moorage.server.run).
"""

import sys

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

ANSWER = b'{"received":1,"chain":"%s","commands":[]}' % (b"0" * 64)


async def constant(request: Request) -> Response:
    await request.body()
    return Response(ANSWER, media_type="application/json")


if __name__ == "__main__":
    app = Starlette(routes=[Route("/v1/reports", constant, methods=["POST"])])
    uvicorn.run(
        app,
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        ws="none",
        log_level="warning",
        access_log=False,
        server_header=False,
        backlog=4096,
    )

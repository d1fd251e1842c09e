"""Setting a device up: what was tried, a payload for one without a network, a key replaced."""

import base64
from datetime import timedelta

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from moorage.core import provisioning
from moorage.dialects.common import Services
from moorage.dialects.native.idempotency import answered_once
from moorage.dialects.native.wire import PageOut
from moorage.dialects.native.wire_setup import (
    AttemptOut,
    DeviceKeyOut,
    OfflineIn,
    OfflineOut,
    ServerKeyOut,
)


def router(services: Services) -> APIRouter:
    """Build the routes."""
    routes = APIRouter(tags=["setup"])
    callers = services.callers

    @routes.get("/v1/devices/{device_id}/attempts")
    async def list_attempts(request: Request, device_id: str) -> PageOut[AttemptOut]:
        """List what was tried with the device's install tokens in 24 hours, newest first."""
        async with callers.reading(request) as (tx, caller):
            found = await provisioning.list_attempts(tx, caller, device_id)
        return PageOut(data=[AttemptOut.of(one) for one in found], next_cursor=None)

    @routes.post("/v1/devices/{device_id}/provisioning", status_code=201, response_model=OfflineOut)
    async def make_offline_payload(
        request: Request, device_id: str, body: OfflineIn | None = None
    ) -> Response:
        """Make a fresh signed payload for a device without a network: as text, QR and file."""
        lifetime = timedelta(seconds=(body or OfflineIn()).expires_in_s)
        async with callers.writing(request) as (tx, caller):

            async def work() -> OfflineOut:
                payload = await provisioning.new_offline_payload(
                    tx,
                    caller,
                    device_id,
                    services.signer,
                    server=services.public_url,
                    expires_in=lifetime,
                )
                return OfflineOut.of(payload)

            secrets = frozenset({"payload", "qr_svg", "device_json"})
            answer = await answered_once(request, tx, caller, work, secrets=secrets)
        return answer

    @routes.post(
        "/v1/devices/{device_id}/keys/rotate", status_code=201, response_model=DeviceKeyOut
    )
    async def rotate_key(request: Request, device_id: str) -> Response:
        """Replace the device's key at once; what uses the old one is refused from here on."""
        async with callers.writing(request) as (tx, caller):

            async def work() -> DeviceKeyOut:
                return DeviceKeyOut.of(await provisioning.rotate_key(tx, caller, device_id))

            secrets = frozenset({"device_key"})
            answer = await answered_once(request, tx, caller, work, secrets=secrets)
        return answer

    @routes.get("/v1/server-key")
    async def get_server_key() -> ServerKeyOut:
        """Return the public key that offline payloads are checked with."""
        text = base64.urlsafe_b64encode(services.server_key).rstrip(b"=").decode()
        return ServerKeyOut(algorithm="Ed25519", public_key=text)

    return routes

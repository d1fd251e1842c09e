"""``/v1/enroll``: a token in, a device and its key out. The token is the only credential."""

from fastapi import APIRouter
from starlette.requests import Request

from moorage.core import provisioning
from moorage.core.errors import DomainError, Fault, Kind, invalid
from moorage.dialects.common import Services, provisioned, refusals_noted
from moorage.dialects.native.wire import EnrolledOut, EnrollIn


def router(services: Services) -> APIRouter:
    """Build the route."""
    routes = APIRouter(tags=["device"])

    @routes.post("/v1/enroll", response_model_exclude_none=True)
    async def enroll(request: Request, body: EnrollIn) -> EnrolledOut:
        """Redeem a token. The same token with the same proposed key is answered again."""
        if (body.install_token is None) == (body.provisioning_token is None):
            detail = "send either install_token or provisioning_token"
            raise DomainError(
                Kind.INVALID, "invalid", detail, faults=[Fault("/install_token", detail)]
            )
        told = {} if body.device is None else body.device.model_dump(exclude_none=True)
        external_id, name = told.pop("device_id", None), told.pop("name", None)
        token = body.install_token or body.provisioning_token or ""
        if body.provisioning_token is None:
            async with (
                refusals_noted(services, request, token),
                services.db.write(brief=True) as tx,
            ):
                enrolled = await provisioning.enroll(
                    tx, token=token, device_key=body.device_key, told=told
                )
            return EnrolledOut.of(enrolled, services.public_url)
        if external_id is None:
            raise invalid(
                "/device/device_id",
                "with a provisioning token device_id is required: an id the hardware keeps",
            )
        enrolled = await provisioned(
            services,
            request,
            token=token,
            device_key=body.device_key,
            newcomer=provisioning.Newcomer(external_id, name),
            told=told,
        )
        return EnrolledOut.of(enrolled, services.public_url)

    return routes

"""The manager of environments that the settings name, wired up."""

import asyncio

from moorage.outbound import ManagedEnvironments, Portainer, PortainerProxy, PortainerSetup
from moorage.server.opening import SetupError
from moorage.server.settings import PortainerSettings
from moorage.storage import Database


def environments_of(
    settings: PortainerSettings | None, db: Database, closing: asyncio.Event
) -> ManagedEnvironments | None:
    """Return what brings environments up, yet to be started; None when no manager is set up.

    Raises:
        SetupError: the certificates to trust cannot be used.

    """
    if settings is None:
        return None
    setup = setup_of(settings)
    try:
        manager, proxy = Portainer(setup), PortainerProxy(setup)
    except ValueError as error:
        raise SetupError(f"portainer.ca_bundle is wrong: {error}") from None
    return ManagedEnvironments(db, manager, proxy, required=settings.required, closing=closing)


def setup_of(settings: PortainerSettings) -> PortainerSetup:
    """Return the settings as whoever calls Portainer takes them."""
    return PortainerSetup(
        url=settings.url,
        api_key=settings.api_key.get_secret_value(),
        device_url=settings.devices_url,
        tunnel_address=settings.tunnel_address,
        group_id=settings.group_id,
        tag_ids=settings.tag_ids,
        checkin_interval_s=settings.checkin_interval_s,
        ca_bundle=settings.ca_bundle,
        verify=settings.verify,
        timeout_s=settings.timeout_s,
    )

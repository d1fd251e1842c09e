"""How we call others. What is called here, and when, is decided in the core."""

from moorage.outbound.environments import ManagedEnvironments, bring_up
from moorage.outbound.oidc import OidcSetup, OpenIdProvider
from moorage.outbound.portainer import Portainer, PortainerSetup
from moorage.outbound.proxy import PortainerProxy

__all__ = [
    "ManagedEnvironments",
    "OidcSetup",
    "OpenIdProvider",
    "Portainer",
    "PortainerProxy",
    "PortainerSetup",
    "bring_up",
]

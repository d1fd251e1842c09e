"""How a device comes to be, gets its first key, and ends; the installer that brings the agent."""

from moorage.core.provisioning.installer import (
    Zipapp,
    agent_zipapp,
    render_install_script,
    render_refusal_script,
)
from moorage.core.provisioning.model import Enrolled, InstallToken, Registered
from moorage.core.provisioning.rules import Asked, check_asked, first_layer
from moorage.core.provisioning.service import (
    check_install_token,
    enroll,
    new_install_token,
    purge_tokens,
    register,
    retire,
)

__all__ = [
    "Asked",
    "Enrolled",
    "InstallToken",
    "Registered",
    "Zipapp",
    "agent_zipapp",
    "check_asked",
    "check_install_token",
    "enroll",
    "first_layer",
    "new_install_token",
    "purge_tokens",
    "register",
    "render_install_script",
    "render_refusal_script",
    "retire",
]

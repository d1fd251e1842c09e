"""How a device comes to be, gets its first key, and ends; the installer that brings the agent."""

from moorage.core.provisioning.attempts import list_attempts, note_attempt, purge_attempts
from moorage.core.provisioning.installer import (
    Zipapp,
    agent_zipapp,
    render_install_script,
    render_refusal_script,
)
from moorage.core.provisioning.model import (
    Attempt,
    Enrolled,
    InstallToken,
    OfflinePayload,
    Registered,
)
from moorage.core.provisioning.offline import Signer
from moorage.core.provisioning.rules import Asked, check_asked, first_layer
from moorage.core.provisioning.service import (
    check_install_token,
    enroll,
    new_install_token,
    new_offline_payload,
    purge_tokens,
    register,
    retire,
    rotate_key,
)

__all__ = [
    "Asked",
    "Attempt",
    "Enrolled",
    "InstallToken",
    "OfflinePayload",
    "Registered",
    "Signer",
    "Zipapp",
    "agent_zipapp",
    "check_asked",
    "check_install_token",
    "enroll",
    "first_layer",
    "list_attempts",
    "new_install_token",
    "new_offline_payload",
    "note_attempt",
    "purge_attempts",
    "purge_tokens",
    "register",
    "render_install_script",
    "render_refusal_script",
    "retire",
    "rotate_key",
]

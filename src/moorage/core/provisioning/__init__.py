"""How a device comes to be, gets its first key, and ends; the installer that brings the agent."""

from moorage.core.provisioning.agent_release import AgentRelease, agent_release
from moorage.core.provisioning.attempts import list_attempts, note_attempt, purge_attempts
from moorage.core.provisioning.enrolment import check_install_token, enroll
from moorage.core.provisioning.installer import (
    AGENT_PATH,
    ServerAddress,
    Zipapp,
    agent_zipapp,
    install_line,
    render_install_script,
    render_refusal_script,
)
from moorage.core.provisioning.model import (
    Attempt,
    Enrolled,
    InstallToken,
    MadeToken,
    Newcomer,
    OfflinePayload,
    Policy,
    ProvisioningToken,
    Registered,
)
from moorage.core.provisioning.newcomers import (
    DEVICE_EXISTS,
    Reserved,
    provision,
    reserve_environment,
)
from moorage.core.provisioning.rules import Asked, check_asked, first_layer
from moorage.core.provisioning.service import (
    list_keys,
    new_install_token,
    new_offline_payload,
    purge_tokens,
    register,
    register_bare,
    release,
    retire,
    rotate_key,
    set_approval,
)
from moorage.core.provisioning.tokens import (
    count_tokens,
    create_token,
    get_token,
    list_tokens,
    revoke_token,
    void_single_use,
)
from moorage.kit.signedtext import Signer

__all__ = [
    "AGENT_PATH",
    "DEVICE_EXISTS",
    "AgentRelease",
    "Asked",
    "Attempt",
    "Enrolled",
    "InstallToken",
    "MadeToken",
    "Newcomer",
    "OfflinePayload",
    "Policy",
    "ProvisioningToken",
    "Registered",
    "Reserved",
    "ServerAddress",
    "Signer",
    "Zipapp",
    "agent_release",
    "agent_zipapp",
    "check_asked",
    "check_install_token",
    "count_tokens",
    "create_token",
    "enroll",
    "first_layer",
    "get_token",
    "install_line",
    "list_attempts",
    "list_keys",
    "list_tokens",
    "new_install_token",
    "new_offline_payload",
    "note_attempt",
    "provision",
    "purge_attempts",
    "purge_tokens",
    "register",
    "register_bare",
    "release",
    "render_install_script",
    "render_refusal_script",
    "reserve_environment",
    "retire",
    "revoke_token",
    "rotate_key",
    "set_approval",
    "void_single_use",
]

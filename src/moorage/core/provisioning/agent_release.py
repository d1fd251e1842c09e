"""Which agent this server hands out, signed: what a device's agent replaces itself by."""

from dataclasses import dataclass

from moorage.core import devices
from moorage.core.caller import Caller
from moorage.core.provisioning.installer import agent_zipapp
from moorage.kit.signedtext import Signer, signed_text
from moorage.storage import Tx

_MARK = "MRU1"


@dataclass(frozen=True)
class AgentRelease:
    """The agent's file: ``sha256`` in hex, ``size`` in bytes.

    ``signed`` says the same three things: ``MRU1.`` + base64url of JSON + ``.`` + base64url of the
    signature by the server's key.
    """

    version: str
    sha256: str
    size: int
    signed: str


async def agent_release(tx: Tx, caller: Caller, signer: Signer) -> AgentRelease:
    """Return which agent there is, for a device's own key."""
    await devices.get_own(tx, caller)
    zipapp = agent_zipapp()
    size = len(zipapp.content)
    document = {"v": 1, "version": zipapp.version, "sha256": zipapp.sha256, "size": size}
    text = signed_text(_MARK, document, signer)
    return AgentRelease(zipapp.version, zipapp.sha256, size, text)

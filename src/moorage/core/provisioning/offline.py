"""The signed payload that a device without a network is set up with (QR code, USB stick)."""

import base64
import json
from typing import Protocol

from moorage.core.caller import DeviceRef
from moorage.core.errors import invalid
from moorage.core.provisioning.model import InstallToken, OfflinePayload
from moorage.storage import Tx

_MARK = "MRG1"
# What a phone's camera still reads off a screen with ease.
_LONGEST = 1000
# The name is for whoever holds the device in hand; all of it comes when it is online.
_LONGEST_NAME = 64


class Signer(Protocol):
    """The server's signing key (Ed25519)."""

    def sign(self, data: bytes, /) -> bytes:
        """Return the signature, 64 bytes."""
        ...


def sign_payload(  # noqa: PLR0913 - the parts of a payload
    tx: Tx,
    signer: Signer,
    *,
    server: str,
    device: DeviceRef,
    workspace: str,
    name: str,
    token: InstallToken,
) -> OfflinePayload:
    """Return the payload that enrols a device at its first contact.

    Raises:
        DomainError: ``invalid`` when the server's own address leaves too little room.

    """
    document = {
        "v": 1,
        "server": server,
        "device_id": device.device_id,
        "workspace": workspace,
        "name": name[:_LONGEST_NAME],
        "secret": token.text,
        "issued_at": int(tx.now.timestamp()),
        "expires_at": int(token.expires_at.timestamp()),
    }
    compact = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    signed = f"{_MARK}.{_base64url(compact.encode())}"
    text = f"{signed}.{_base64url(signer.sign(signed.encode('ascii')))}"
    if len(text) >= _LONGEST:
        raise invalid(
            "/server",
            f"the payload would have {len(text)} characters, a QR code takes under {_LONGEST}; "
            "give the server a shorter public URL",
        )
    return OfflinePayload(text, document, token.expires_at)


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

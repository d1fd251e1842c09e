"""The signed payload that a device without a network is set up with (QR code, USB stick)."""

from moorage.core.caller import DeviceRef
from moorage.core.errors import invalid
from moorage.core.provisioning.model import InstallToken, OfflinePayload
from moorage.kit.signedtext import Signer, signed_text
from moorage.storage import Tx

_MARK = "MRG1"
# What a phone's camera still reads off a screen with ease.
_LONGEST = 1000
# The name is for whoever holds the device in hand; all of it comes when it is online.
_LONGEST_NAME = 64


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
    text = signed_text(_MARK, document, signer)
    if len(text) >= _LONGEST:
        raise invalid(
            "/server",
            f"the payload would have {len(text)} characters, a QR code takes under {_LONGEST}; "
            "give the server a shorter public URL",
        )
    return OfflinePayload(text, document, token.expires_at)

"""The signed list of servers in a config: where a fleet's own server is to be found from now on.

A device follows it only when it is signed with the key of the server it belongs to. So a list that
another key has signed, or none, would be refused by each device; it is refused here first.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from moorage.core.config import rules
from moorage.core.errors import invalid
from moorage.kit.signedtext import Signer, read_signed, signed_text
from moorage.kit.url import plain_url
from moorage.storage import Tx, identity

_MARK = "MRS1"
_POINTER = "/config/servers"
_MOST = 16
_DIGEST_BYTES = 32
_LARGEST_CA = 64 * 1024


@dataclass(frozen=True)
class Address:
    """Where the server is, and how devices know it there.

    ``pin`` is ``sha256//`` and base64 of the digest of its public key, or ``sha256:`` and hex of
    that of its certificate; ``ca`` are certificates (PEM). Without either a device goes by the CAs
    it trusts.
    """

    url: str
    pin: str | None = None
    ca: str | None = None


def sign_servers(addresses: Sequence[Address], signer: Signer, now: datetime) -> str:
    """Return the list that devices follow: ``MRS1.`` + base64url of JSON + ``.`` + a signature.

    Raises:
        ValueError: no address, too many, or one that is none.

    """
    if not 0 < len(addresses) <= _MOST:
        raise ValueError(f"a list has 1 to {_MOST} addresses")
    entries = [_entry(address) for address in addresses]
    issued_at = int(now.timestamp() * 1000)
    return signed_text(_MARK, {"v": 1, "servers": entries, "issued_at": issued_at}, signer)


async def check_document(tx: Tx, document: Mapping[str, Any]) -> None:
    """Raise DomainError ``invalid`` naming the path unless devices could apply the document.

    A list of servers in it has to be this server's own (``servers_not_signed``).
    """
    rules.check_document(document)
    text = document["config"].get("servers")
    if text is None:
        return
    if not isinstance(text, str):
        raise invalid(_POINTER, "servers is a text that `moorage servers sign` made")
    # The public half of the signing key is what a database knows its keys by.
    known = (await identity.check_values(tx)).get("signing")
    public_key = None if known is None else bytes.fromhex(known)
    if public_key is None or read_signed(text, _MARK, public_key) is None:
        raise invalid(
            _POINTER,
            "this list is not signed with this server's key, so no device would follow it; have it "
            "made on the server with `moorage servers sign`",
            code="servers_not_signed",
        )


def _entry(address: Address) -> dict[str, str]:
    entry = {"url": plain_url(address.url)}
    if address.pin is not None:
        if not address.url.startswith("https://"):
            raise ValueError("a pin is of a certificate: the address must be https://")
        _check_pin(address.pin)
        entry["pin"] = address.pin
    if address.ca is not None:
        if "BEGIN CERTIFICATE" not in address.ca or len(address.ca) > _LARGEST_CA:
            raise ValueError("a CA is certificates as PEM text, at most 64 KiB")
        entry["ca"] = address.ca
    return entry


def _check_pin(pin: str) -> None:
    try:
        if pin.startswith("sha256//"):
            digest = base64.b64decode(pin[8:], validate=True)
        else:
            digest = bytes.fromhex(pin.removeprefix("sha256:")) if pin[:7] == "sha256:" else b""
    except (ValueError, binascii.Error):
        digest = b""
    if len(digest) != _DIGEST_BYTES:
        raise ValueError(
            "a pin is sha256// and base64 of a key's digest, or sha256: and 64 hex digits of a "
            "certificate's"
        )

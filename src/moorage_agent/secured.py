"""TLS towards the server: whom it trusts, by certificates or by a pin, and what a refusal means."""

from __future__ import annotations

import socket
import ssl
import time
from typing import Optional

from moorage_agent import clock, pins

# A certificate that is good from later on is seldom wrong: clocks of devices are.
_NOT_YET = "not yet valid"
_BY_NAME = ("Hostname mismatch", "IP address mismatch")
_UNKNOWN = (
    "unable to get local issuer",
    "self-signed",
    "self signed",
    "unable to get issuer",
    # By another CA of the same name.
    "certificate signature failure",
)


class Secured:
    """How connections to one server are secured. Belongs to no thread: it is only read."""

    def __init__(self, *, ca_pem: Optional[str] = None, pin: Optional[str] = None) -> None:
        """``ca_pem``: certificates to trust, as text, instead of those of the system.

        Raises:
            ValueError: the certificates or the pin are none.

        """
        self._pin = None if pin is None else pins.parse(pin)
        self._context = _context(ca_pem, pinned=pin is not None)

    def around(self, sock: socket.socket, name: str) -> ssl.SSLSocket:
        """Return the socket as one that ``greet`` secures; ``name`` is whom it is to be."""
        # In two steps, because the given socket is done with, and the greeting may take too long.
        return self._context.wrap_socket(sock, server_hostname=name, do_handshake_on_connect=False)

    def greet(self, sock: ssl.SSLSocket) -> None:
        """Secure it, and see that it is the one. Raises OSError, of which ssl.SSLError is one."""
        sock.do_handshake()
        if self._pin is not None:
            refusal = self._pin.refusal(sock.getpeercert(binary_form=True) or b"")
            if refusal:
                raise ssl.SSLError(refusal)


def reason(error: ssl.SSLError, host: str) -> str:
    """Return what a refusal means, and what to do about it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return "TLS was refused: " + _of_certificate(error.verify_message, host)
    name = str(getattr(error, "reason", None) or error.args[-1])
    if name in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"):
        return "TLS was refused: %s does not speak TLS at that port; is it http://?" % host
    return "TLS was refused: %s" % name


def _of_certificate(told: str, host: str) -> str:
    now = clock.rfc3339(time.time())
    if "expired" in told:
        return (
            "the server's certificate has expired, by this device's clock, which says %s; renew it "
            "on the server, or set the clock" % now
        )
    if _NOT_YET in told:
        return (
            "the server's certificate is not yet valid by this device's clock, which says %s; set "
            "the clock" % now
        )
    if told.startswith(_BY_NAME):
        return (
            "the server's certificate is for another name than %s; enrol with a name that it "
            "holds (enroll --host NAME=ADDRESS where no DNS knows it), or with --pin" % host
        )
    if any(part in told for part in _UNKNOWN):
        return (
            "nobody this device trusts has signed the server's certificate (%s); enrol with "
            "--ca-file or --pin, and ask who stands in between if it worked before" % told
        )
    return "the server's certificate: %s" % told


def _context(ca_pem: Optional[str], *, pinned: bool) -> ssl.SSLContext:
    if pinned:
        # The pin names the very certificate or key; who signed it and for which name adds nothing.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    try:
        return ssl.create_default_context(cadata=ca_pem)
    except (OSError, ValueError) as error:
        raise ValueError("the CA file holds no usable PEM certificates: %s" % error) from error

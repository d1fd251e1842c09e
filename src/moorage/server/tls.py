"""A small CA and a server certificate of its own, for a server that no public CA vouches for."""

import base64
import hashlib
import ipaddress
import os
import re
import secrets
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from moorage.server.opening import SetupError
from moorage.server.settings import Settings

_CA_LIVES = timedelta(days=3650)
# Clocks that are a little behind are to take it too.
_BACKDATED = timedelta(days=1)
_LONGEST_COMMON_NAME = 64
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DNS_NAME = re.compile(rf"(?=.{{1,253}}$)(?:\*\.)?{_LABEL}(?:\.{_LABEL})*")


@dataclass(frozen=True)
class Files:
    """Where a CA and a certificate lie. The CA's key is needed for renewing only."""

    folder: Path

    @property
    def ca(self) -> Path:
        """The CA's certificate, for people and programs to trust."""
        return self.folder / "ca.pem"

    @property
    def ca_key(self) -> Path:
        """The CA's key: whoever has it can pose as this server to all who trust the CA."""
        return self.folder / "ca.key"

    @property
    def certificate(self) -> Path:
        """The server's certificate."""
        return self.folder / "server.pem"

    @property
    def key(self) -> Path:
        """Its key."""
        return self.folder / "server.key"

    @property
    def all(self) -> tuple[Path, ...]:
        """All four."""
        return (self.ca, self.ca_key, self.certificate, self.key)


@dataclass(frozen=True)
class Made:
    """What was made. ``names`` are what the certificate is for, as text."""

    files: Files
    names: tuple[str, ...]
    expires_at: datetime
    key_pin: str
    certificate_pin: str


def init(folder: Path, names: Sequence[str], days: int, *, force: bool) -> Made:
    """Make a CA, and a server certificate by it for these names (or this machine's).

    Raises:
        SetupError: there are files already and ``force`` is not set, a name is none, or the folder
            cannot be written.

    """
    files = Files(folder)
    wanted = _general_names(names or _own_names())
    there = [str(path) for path in files.all if path.exists()]
    if there and not force:
        raise SetupError(
            f"{', '.join(there)} is there already; --renew makes another certificate by the same "
            "CA and key, --force replaces all, and devices that pinned the key are then to be told"
        )
    ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    ca = _authority(ca_key)
    certificate = _issue(ca, ca_key, key.public_key(), wanted, days)
    _write(files.ca_key, _private(ca_key), 0o600)
    _write(files.key, _private(key), 0o600)
    _write(files.ca, ca.public_bytes(Encoding.PEM), 0o644)
    _write(files.certificate, certificate.public_bytes(Encoding.PEM), 0o644)
    return _made(files, certificate)


def renew(folder: Path, names: Sequence[str], days: int) -> Made:
    """Make another certificate by the same CA, of the same key and, if none are given, names.

    Who pinned the key or trusts the CA notices nothing.

    Raises:
        SetupError: the files are not there or not ours, the CA has run out, or a name is none.

    """
    files = Files(folder)
    ca, before = (_certificate(path) for path in (files.ca, files.certificate))
    ca_key, key = (_key(path) for path in (files.ca_key, files.key))
    if ca.not_valid_after_utc <= datetime.now(UTC):
        raise SetupError(
            f"the CA itself ran out on {ca.not_valid_after_utc:%Y-%m-%d}; --force makes another "
            "with another key, and devices that pinned the key are then to be told"
        )
    wanted = _general_names(names) if names else _names_of(before)
    certificate = _issue(ca, ca_key, key.public_key(), wanted, days)
    _write(files.certificate, certificate.public_bytes(Encoding.PEM), 0o644)
    return _made(files, certificate)


def pin_of(settings: Settings) -> str | None:
    """Return the pin that install lines carry, if they are to.

    Raises:
        SetupError: there is no certificate to read.

    """
    if not settings.tls_pinned or settings.tls_cert is None:
        return None
    return key_pin(settings.tls_cert)


def key_pin(path: Path) -> str:
    """Return ``sha256//`` and the base64 of the SHA-256 of the certificate's public key.

    It is what ``curl --pinnedpubkey`` takes, and stays the same when a certificate is renewed with
    its key. Of a chain it is the first certificate's, the server's own.

    Raises:
        SetupError: there is no certificate to read.

    """
    return _key_pin(_certificate(path))


def _key_pin(certificate: x509.Certificate) -> str:
    key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return "sha256//" + base64.b64encode(hashlib.sha256(key).digest()).decode()


def _made(files: Files, certificate: x509.Certificate) -> Made:
    return Made(
        files=files,
        names=tuple(str(one.value) for one in _names_of(certificate)),
        expires_at=certificate.not_valid_after_utc,
        key_pin=_key_pin(certificate),
        certificate_pin=f"sha256:{certificate.fingerprint(hashes.SHA256()).hex()}",
    )


def _own_names() -> list[str]:
    own = socket.gethostname().lower()
    return [*([own] if _DNS_NAME.fullmatch(own) else []), "localhost", "127.0.0.1"]


def _general_names(names: Sequence[str]) -> list[x509.GeneralName]:
    return [_general_name(name) for name in dict.fromkeys(names)]


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name.removeprefix("[").removesuffix("]")))
    except ValueError:
        pass
    plain = name.lower().removesuffix(".")
    # A name of digits only in its last part would be a mistyped address.
    if not _DNS_NAME.fullmatch(plain) or plain.rpartition(".")[2].isdigit():
        raise SetupError(
            f"{name!r} is no name of a server; give a host name such as fleet.example.com (letters "
            "beyond ASCII as xn--…) or an IP address, without https:// and port"
        )
    return x509.DNSName(plain)


def _names_of(certificate: x509.Certificate) -> list[x509.GeneralName]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        raise SetupError("the certificate names no server; give its names with --name") from None
    return list(extension.value)


def _authority(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    # A name of its own: two CAs of one name but different keys confuse who trusts both.
    name = _common_name(f"Moorage CA {secrets.token_hex(4)}")
    now = datetime.now(UTC)
    usage = _key_usage(signs_certificates=True)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + _CA_LIVES)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _issue(
    ca: x509.Certificate,
    ca_key: ec.EllipticCurvePrivateKey,
    key: ec.EllipticCurvePublicKey,
    names: Sequence[x509.GeneralName],
    days: int,
) -> x509.Certificate:
    now = datetime.now(UTC)
    first = str(names[0].value)
    by = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(_common_name(first if len(first) <= _LONGEST_COMMON_NAME else "Moorage"))
        .issuer_name(ca.subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        # A certificate that outlived its CA would be refused before its own end.
        .not_valid_after(min(now + timedelta(days=days), ca.not_valid_after_utc))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(by, critical=False)
        .sign(ca_key, hashes.SHA256())
    )


def _common_name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _certificate(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except OSError as error:
        raise SetupError(f"the certificate {path} cannot be read: {error.strerror}") from None
    except ValueError:
        raise SetupError(f"the certificate {path} is none, or not in PEM") from None


def _key(path: Path) -> ec.EllipticCurvePrivateKey:
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise SetupError(f"the key {path} cannot be read: {error.strerror}") from None
    except (ValueError, TypeError):
        raise SetupError(f"the key {path} is none, or locked with a password") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise SetupError(f"the key {path} is not one that `moorage tls init` made")
    return key


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _write(path: Path, content: bytes, mode: int) -> None:
    """Write a file whole or not at all; it never has more rights than ``mode``."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise SetupError(f"{path} cannot be written: {error.strerror}") from None

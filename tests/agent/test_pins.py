"""Pins: which certificates they take, and that a key is read where OpenSSL reads it."""

import base64
import hashlib
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from moorage_agent import pins

KEYS = {
    "p256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
    "rsa": lambda: rsa.generate_private_key(65537, 2048),
}


def certificate(key, common_name: str = "a") -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
    )
    how = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(key, how).public_bytes(Encoding.DER)


def key_of(key) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def key_pin(key) -> str:
    return "sha256//" + base64.b64encode(hashlib.sha256(key_of(key)).digest()).decode()


@pytest.mark.parametrize("kind", sorted(KEYS))
@pytest.mark.parametrize("length", [1, 60])
def test_a_key_is_read_out_of_any_certificate(kind, length):
    key = KEYS[kind]()
    assert pins.public_key(certificate(key, "a" * length)) == key_of(key)


def test_a_pinned_key_takes_each_certificate_of_that_key_and_no_other():
    key, other = KEYS["p256"](), KEYS["p256"]()
    pin = pins.parse(key_pin(key))
    assert pin.refusal(certificate(key)) == ""
    assert pin.refusal(certificate(key, "renewed")) == ""
    assert key_pin(other) in pin.refusal(certificate(other))


def test_a_pinned_certificate_is_that_one_only():
    key = KEYS["p256"]()
    one, renewed = certificate(key), certificate(key)
    pin = pins.parse("sha256:" + hashlib.sha256(one).hexdigest().upper())
    assert pin.refusal(one) == ""
    assert hashlib.sha256(renewed).hexdigest() in pin.refusal(renewed)


SHORT_HEX, NO_HEX = "sha256:" + "0" * 63, "sha256:" + "g" * 64
NO_BASE64, SHA1 = "sha256//" + "A" * 43 + "!", "sha1//" + "A" * 43 + "="


@pytest.mark.parametrize(
    "text",
    ["", "sha256:", SHORT_HEX, NO_HEX, "sha256//", "sha256//AAAA", NO_BASE64, SHA1, "sha256//ä"],
)
def test_what_is_no_pin_is_refused(text):
    with pytest.raises(ValueError, match="a pin is"):
        pins.parse(text)


def element(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    if len(content) < 0x80:
        return bytes((tag, len(content))) + content
    size = (len(content).bit_length() + 7) // 8
    return bytes((tag, 0x80 + size)) + len(content).to_bytes(size, "big") + content


def test_a_foreign_key_cannot_be_slipped_into_the_place_of_a_pinned_one():
    """With lengths left open OpenSSL would read on in the name, where a copy of the key may lie.

    That is how one who does not have the key would show a certificate of his own for it.
    """
    key = key_of(KEYS["p256"]())
    serial, algorithm = element(0x02, b"\1"), element(0x30)
    open_, end = b"\x30\x80", b"\0\0"
    name = open_ + element(0x30) + element(0x30) + key + end
    forged = element(0x30, element(0x30, serial, algorithm, name, element(0x30), element(0x30)))
    with pytest.raises(ValueError, match="not built"):
        pins.public_key(forged)


def test_what_is_broken_off_or_of_another_kind_is_refused_and_never_more_than_that():
    whole = certificate(KEYS["p256"]())
    end = whole.index(key_of_der := pins.public_key(whole)) + len(key_of_der)
    for length in range(end):
        with pytest.raises(ValueError, match="not built"):
            pins.public_key(whole[:length])
    pin = pins.parse("sha256//" + "A" * 43 + "=")
    for at in range(end):
        for value in (0x00, 0x30, 0x80, 0x84, 0xFF):
            assert pin.refusal(whole[:at] + bytes((value,)) + whole[at + 1 :])

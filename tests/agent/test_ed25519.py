"""Ed25519 by the vectors of RFC 8032, section 7.1, and what must not pass."""

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from moorage_agent import ed25519

ORDER = 2**252 + 27742317777372353535851937790883648493
FIELD = 2**255 - 19

# public key, message, signature: TEST 1, TEST 2, TEST 3, TEST SHA(abc)
VECTORS = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        (
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
            "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
        ),
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        (
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
            "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
        ),
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        (
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
            "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
        ),
    ),
    (
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        hashlib.sha512(b"abc").hexdigest(),
        (
            "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b589"
            "09351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704"
        ),
    ),
]


def unhexed(vector):
    return tuple(bytes.fromhex(part) for part in vector)


@pytest.mark.parametrize("vector", VECTORS)
def test_the_vectors_of_the_rfc_are_valid(vector):
    assert ed25519.is_valid(*unhexed(vector))


@pytest.mark.parametrize("vector", VECTORS)
def test_one_altered_bit_anywhere_is_found(vector):
    key, message, signature = unhexed(vector)
    for at in range(0, len(signature) * 8, 7):
        assert not ed25519.is_valid(key, message, flipped(signature, at))
    for at in range(0, len(key) * 8, 31):
        assert not ed25519.is_valid(flipped(key, at), message, signature)
    for at in range(0, len(message) * 8, 61):
        assert not ed25519.is_valid(key, flipped(message, at), signature)
    assert not ed25519.is_valid(key, message + b"\0", signature)


def flipped(data, bit):
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


@pytest.mark.parametrize("vector", VECTORS)
def test_the_same_signature_with_the_order_added_is_refused(vector):
    key, message, signature = unhexed(vector)
    s = int.from_bytes(signature[32:], "little")
    for more in (s + ORDER, ORDER):
        altered = signature[:32] + more.to_bytes(32, "little")
        assert not ed25519.is_valid(key, message, altered)


def test_wrong_lengths_are_refused():
    key, message, signature = unhexed(VECTORS[1])
    for wrong in (b"", signature[:63], signature + b"\0", signature[:32]):
        assert not ed25519.is_valid(key, message, wrong)
    for wrong in (b"", key[:31], key + b"\0"):
        assert not ed25519.is_valid(wrong, message, signature)


@pytest.mark.parametrize("y", [0, 1, FIELD - 1])
def test_a_key_of_small_order_for_which_anything_would_be_signed_is_none(y):
    # With A of order 1, 2 or 4, R = 0 and S = 0 satisfy the equation for many a message.
    neutral = (1).to_bytes(32, "little")
    key = y.to_bytes(32, "little")
    for number in range(16):
        assert not ed25519.is_valid(key, bytes([number]), neutral + bytes(32))


@pytest.mark.parametrize("number", [FIELD, FIELD + 1, 2**255 - 1, 2**256 - 1, 1 + 2**255, 2])
def test_a_key_that_is_no_canonical_point_is_refused(number):
    _, message, signature = unhexed(VECTORS[1])
    assert not ed25519.is_valid(number.to_bytes(32, "little"), message, signature)


@settings(max_examples=30, deadline=None)
@given(st.binary(min_size=32, max_size=32), st.binary(max_size=300), st.binary(max_size=8))
def test_what_another_implementation_signs_is_valid_and_nothing_else(seed, message, other):
    signer = Ed25519PrivateKey.from_private_bytes(seed)
    key, signature = signer.public_key().public_bytes_raw(), signer.sign(message)
    assert ed25519.is_valid(key, message, signature)
    assert ed25519.is_valid(key, other, signature) == (other == message)

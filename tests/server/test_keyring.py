"""The server's keys: made once, for their owner only, and never guessed at."""

import base64
import stat

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from moorage.server import create_app, load_settings
from moorage.server.keyring import KeysMissing, open_keyring
from moorage.server.opening import SetupError, opened
from moorage.storage import StorageError


def mode_of(path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_keys_are_made_once_and_for_their_owner_only(tmp_path):
    folder = tmp_path / "some" / "keys"
    first = open_keyring(folder, create=True)
    again = open_keyring(folder, create=True)
    assert first.check_values == again.check_values
    assert mode_of(folder) == 0o700
    files = [path for path in folder.iterdir() if path.stat().st_size]
    assert len(files) == 2
    assert {mode_of(path) for path in files} == {0o600}
    assert base64.b64encode(first.encryption).decode() not in repr(first)


def test_keys_are_not_made_where_they_should_be(tmp_path):
    with pytest.raises(KeysMissing, match="missing"):
        open_keyring(tmp_path / "keys", create=False)
    assert not (tmp_path / "keys").exists()


def _pem_of_another_kind() -> bytes:
    return generate_private_key(SECP256R1()).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )


DAMAGE = {
    "empty encryption": lambda f: (f / "encryption.key").write_bytes(b""),
    "short encryption": lambda f: (f / "encryption.key").write_bytes(base64.b64encode(b"a" * 31)),
    "no base64": lambda f: (f / "encryption.key").write_bytes(b"\xff\xff"),
    "empty signing": lambda f: (f / "signing.pem").write_bytes(b""),
    "cut signing": lambda f: (f / "signing.pem").write_bytes((f / "signing.pem").read_bytes()[:60]),
    "another kind": lambda f: (f / "signing.pem").write_bytes(_pem_of_another_kind()),
    "no encryption": lambda f: (f / "encryption.key").unlink(),
    "no signing": lambda f: (f / "signing.pem").unlink(),
    "a folder": lambda f: ((f / "signing.pem").unlink(), (f / "signing.pem").mkdir()),
}


@pytest.mark.parametrize("damage", DAMAGE)
async def test_with_damaged_or_missing_keys_the_server_says_so_and_makes_no_others(
    tmp_path, damage
):
    settings = load_settings(data=tmp_path)
    async with opened(settings):
        pass
    DAMAGE[damage](tmp_path / "keys")
    before = {path.name for path in (tmp_path / "keys").iterdir()}
    with pytest.raises(SetupError) as refused:
        async with opened(settings):
            pass
    assert str(tmp_path / "keys") in str(refused.value)
    assert "\n" not in str(refused.value)
    assert {path.name for path in (tmp_path / "keys").iterdir()} == before


async def test_a_database_refuses_keys_it_was_not_made_with(tmp_path):
    async with opened(load_settings(data=tmp_path)):
        pass
    for path in (tmp_path / "keys").iterdir():
        path.unlink()
    open_keyring(tmp_path / "keys", create=True)
    with pytest.raises(StorageError, match="not the one this database was made with"):
        async with create_app(load_settings(data=tmp_path)).running():
            pass


async def test_a_lost_keys_folder_is_not_made_anew_for_a_database_that_has_one(tmp_path):
    async with opened(load_settings(data=tmp_path)):
        pass
    (tmp_path / "keys").rename(tmp_path / "elsewhere")
    with pytest.raises(SetupError, match="missing"):
        async with opened(load_settings(data=tmp_path)):
            pass
    assert not (tmp_path / "keys").exists()


async def test_the_data_folder_is_its_owners_only(tmp_path):
    data = tmp_path / "data"
    async with opened(load_settings(data=data)):
        pass
    assert {mode_of(data), mode_of(data / "db"), mode_of(data / "keys")} == {0o700}

"""A CA and a certificate of the server's own: what `moorage tls init` makes, keeps and says."""

import base64
import hashlib
import ipaddress
import json
import os
import stat
import subprocess
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError
from pydantic import ValidationError

from moorage.server import doctor, load_settings
from moorage.server.doctor import Outcome
from support.certificates import write_certificate
from support.prestarted import prestarted

NAMES = ("fleet.example.com", "192.0.2.7", "2001:db8::7")
FILES = ("ca.key", "ca.pem", "server.key", "server.pem")


def moorage(*arguments, **env: str):
    """Run a command with no settings but those given."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MOORAGE_")}
    return prestarted().run([str(one) for one in arguments], {**clean, **env})


def made(data, *options, **env: str):
    """What it says as JSON."""
    done = moorage("tls", "init", "--data", data, "--json", *options, **env)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def named(*names):
    return [part for name in names for part in ("--name", name)]


def read(data, name="server.pem"):
    return x509.load_pem_x509_certificate((data / "tls" / name).read_bytes())


def contents(data):
    return {path.name: path.read_bytes() for path in (data / "tls").iterdir()}


def trusted(data, name, at=None):
    """Whether whoever trusts the CA, and nothing else, takes the certificate for this name."""
    try:
        subject = x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        subject = x509.DNSName(name)
    store = Store([read(data, "ca.pem")])
    verifier = PolicyBuilder().store(store).time(at or datetime.now(UTC))
    try:
        verifier.build_server_verifier(subject).verify(read(data), [])
    except VerificationError:
        return False
    return True


def test_who_trusts_the_ca_takes_the_certificate_for_each_name_and_no_other(tmp_path):
    said = made(tmp_path, *named(*NAMES))
    assert said["names"] == [*NAMES]
    assert [name for name in (*NAMES, "other.example.com", "192.0.2.8") if trusted(tmp_path, name)]
    assert [trusted(tmp_path, name) for name in NAMES] == [True] * 3
    assert not trusted(tmp_path, "other.example.com")
    assert not trusted(tmp_path, "192.0.2.8")


def test_without_names_it_is_for_this_machine(tmp_path):
    made(tmp_path)
    assert trusted(tmp_path, "localhost")
    assert trusted(tmp_path, "127.0.0.1")


def test_it_lives_as_long_as_asked_and_never_longer_than_its_ca(tmp_path):
    made(tmp_path, *named("a.example"), "--days", "30")
    now = datetime.now(UTC)
    assert trusted(tmp_path, "a.example", now + timedelta(days=29))
    assert not trusted(tmp_path, "a.example", now + timedelta(days=31))
    made(tmp_path, "--renew", "--days", "3650")
    assert read(tmp_path).not_valid_after_utc <= read(tmp_path, "ca.pem").not_valid_after_utc


def test_keys_are_their_owners_only_and_no_word_of_them_is_printed(tmp_path):
    done = moorage("tls", "init", "--data", tmp_path)
    folder = tmp_path / "tls"
    assert tuple(sorted(path.name for path in folder.iterdir())) == FILES
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for name in ("ca.key", "server.key"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
        secret = (folder / name).read_text().splitlines()[1]
        assert secret not in done.stdout + done.stderr


def test_nothing_is_written_over_without_force(tmp_path):
    first = made(tmp_path)
    before = contents(tmp_path)
    done = moorage("tls", "init", "--data", tmp_path)
    assert done.returncode == 1
    assert "--renew" in done.stderr
    assert "--force" in done.stderr
    assert contents(tmp_path) == before
    (tmp_path / "tls" / "ca.key").unlink()
    assert moorage("tls", "init", "--data", tmp_path).returncode == 1
    assert made(tmp_path, "--force")["pins"]["key"] != first["pins"]["key"]
    assert not contents(tmp_path).items() & before.items()


def test_renewing_keeps_ca_key_and_names_and_gives_more_time(tmp_path):
    first = made(tmp_path, *named(*NAMES), "--days", "10")
    before, old = contents(tmp_path), read(tmp_path)
    again = made(tmp_path, "--renew")
    assert {name for name, was in before.items() if contents(tmp_path)[name] != was} == {
        "server.pem"
    }
    assert read(tmp_path).serial_number != old.serial_number
    assert read(tmp_path).not_valid_after_utc > old.not_valid_after_utc
    assert (again["names"], again["pins"]["key"]) == (first["names"], first["pins"]["key"])
    assert again["pins"]["certificate"] != first["pins"]["certificate"]
    assert trusted(tmp_path, NAMES[0])
    made(tmp_path, "--renew", *named("moved.example"))
    assert trusted(tmp_path, "moved.example")
    assert not trusted(tmp_path, NAMES[0])


def test_there_is_nothing_to_renew_where_nothing_was_made(tmp_path):
    done = moorage("tls", "init", "--data", tmp_path, "--renew")
    assert done.returncode == 1
    assert "ca.pem" in done.stderr
    assert not (tmp_path / "tls").exists()
    assert moorage("tls", "init", "--data", tmp_path, "--renew", "--force").returncode == 2


@pytest.mark.parametrize(
    "name", ["https://a.example", "a.example:8400", "a b", "", "-a.example", "ä.example", "10.0.1"]
)
def test_what_is_no_name_of_a_server_is_refused_before_anything_is_made(tmp_path, name):
    done = moorage("tls", "init", "--data", tmp_path, "--name", name)
    assert done.returncode == 1
    assert "host name" in done.stderr
    assert not (tmp_path / "tls").exists()


def test_the_pins_are_what_openssl_says_of_key_and_certificate(tmp_path):
    pins = made(tmp_path)["pins"]
    file = str(tmp_path / "tls" / "server.pem")

    def openssl(*arguments, given=b""):
        done = subprocess.run(["openssl", *arguments], input=given, capture_output=True, check=True)
        return done.stdout

    key = openssl(
        "pkey", "-pubin", "-outform", "der", given=openssl("x509", "-in", file, "-pubkey")
    )
    digest = hashlib.sha256(key).digest()
    assert pins["key"] == f"sha256//{base64.b64encode(digest).decode()}"
    whole = hashlib.sha256(openssl("x509", "-in", file, "-outform", "der")).hexdigest()
    assert pins["certificate"] == f"sha256:{whole}"


def test_it_says_what_to_set_and_that_is_taken(tmp_path, monkeypatch):
    to_set = made(tmp_path, *named("fleet.example.com"))["settings"]
    lines = moorage("tls", "init", "--data", tmp_path, "--force", *named("fleet.example.com"))
    for name, value in to_set.items():
        assert f"{name}={value}" in lines.stdout.splitlines()
        monkeypatch.setenv(name, value)
    settings = load_settings(data=tmp_path)
    assert settings.public_url == "https://fleet.example.com:8400"
    assert settings.tls_pinned
    assert settings.tls_cert.samefile(tmp_path / "tls" / "server.pem")


def test_an_address_that_is_set_already_stays(tmp_path):
    url = "https://fleet.example.com:9000"
    assert made(tmp_path, MOORAGE_PUBLIC_URL=url)["settings"]["MOORAGE_PUBLIC_URL"] == url


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"tls_pinned": True}, "tls_cert"),
        ({"tls_pinned": True, "tls_cert": "a.pem", "public_url": "http://a.example"}, "https"),
    ],
)
def test_there_is_no_pin_without_a_certificate_that_devices_see(tmp_path, settings, said):
    with pytest.raises(ValidationError, match=said):
        load_settings(data=tmp_path, **settings)


async def test_doctor_says_until_when_the_certificate_is_good_and_how_to_renew_it(tmp_path):
    def about(found):
        (one,) = [one for one in found if one.subject.startswith("certificate ")]
        return one

    async def examined(folder):
        cert, key = folder / "server.pem", folder / "server.key"
        return await doctor.examine(load_settings(data=tmp_path, tls_cert=cert, tls_key=key))

    made(tmp_path, "--days", "100")
    found = about(await examined(tmp_path / "tls"))
    assert found.outcome is Outcome.OK
    assert f"{read(tmp_path).not_valid_after_utc:%Y-%m-%d}" in found.detail
    made(tmp_path, "--renew", "--days", "5")
    found = about(await examined(tmp_path / "tls"))
    assert found.outcome is Outcome.WARNING
    assert "--renew" in found.detail


def test_what_did_not_make_the_files_renews_none(tmp_path):
    folder = tmp_path / "tls"
    folder.mkdir()
    cert, key = write_certificate(folder)
    for name, source in zip(FILES, (key, cert, key, cert), strict=True):
        (folder / name).write_bytes(source.read_bytes())
    (folder / "server.key").write_text("no key")
    done = moorage("tls", "init", "--data", tmp_path, "--renew")
    assert done.returncode == 1
    assert "server.key" in done.stderr
    assert "Traceback" not in done.stderr

"""TLS with a certificate and key given by path."""

import datetime as dt
import ipaddress
import ssl

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from support.postgres import free_port
from support.server import ServerProcess


@pytest.fixture
def certificate(tmp_path):
    """A certificate for 127.0.0.1 that vouches for itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "moorage.test")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = tmp_path / "cert.pem", tmp_path / "key.pem"
    cert_file.write_bytes(made.public_bytes(Encoding.PEM))
    key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return cert_file, key_file


class TlsServer(ServerProcess):
    """A server that is asked for its health over TLS."""

    def __init__(self, folder, certificate) -> None:
        cert, key = map(str, certificate)
        super().__init__(folder, env={"SSL_CERT_FILE": cert})
        self.port = free_port()
        self.base_url = f"https://127.0.0.1:{self.port}"
        self._options += ["--tls-cert", cert, "--tls-key", key]


def test_a_server_with_a_certificate_speaks_tls_only(tmp_path, certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    server = TlsServer(tmp_path / "server", certificate)
    server.start()
    try:
        trusting = ssl.create_default_context(cafile=str(certificate[0]))
        with httpx.Client(verify=trusting, base_url=server.base_url) as client:
            assert client.get("/healthz").text == "ok\n"
            server._options = server._options[:2]
            key = server.bootstrap()["api_key"]
            made = client.post(
                "/v1/devices", json={"name": "a"}, headers={"Authorization": f"Bearer {key}"}
            )
            assert f"curl -fsSL https://127.0.0.1:{server.port}/" in made.json()["install_command"]
        with pytest.raises(httpx.TransportError):
            httpx.get(f"http://127.0.0.1:{server.port}/healthz")
    finally:
        assert server.stop() == 0

"""TLS with a certificate and key given by path."""

import ssl

import httpx
import pytest

from support.certificates import write_certificate
from support.postgres import free_port
from support.server import ServerProcess


@pytest.fixture
def certificate(tmp_path):
    return write_certificate(tmp_path)


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

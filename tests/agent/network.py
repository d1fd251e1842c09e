"""What stands between a device and its server in a factory, on loopback: proxies, dead addresses,
peers that are no servers, and certificates of every kind."""

import base64
import datetime as dt
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID


def needs_ipv6() -> None:
    """Skip where this machine has no IPv6 loopback."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError as error:
        pytest.skip(f"this machine has no IPv6 loopback: {error}")


class Listener:
    """Connections that are handled by a function, each in a thread; closed with the test."""

    def __init__(
        self, handle: Callable[[socket.socket], None], *, address: str = "127.0.0.1", port: int = 0
    ) -> None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._handle = handle
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._socket = socket.create_server((address, port), family=family)
        self.port = self._socket.getsockname()[1]
        self.ended = threading.Event()
        self._threads.append(threading.Thread(target=self._serve, daemon=True))
        self._threads[0].start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self._open.append(connection)
            thread = threading.Thread(target=self._one, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _one(self, connection: socket.socket) -> None:
        with connection:
            try:
                connection.settimeout(30)
                self._handle(connection)
            except OSError:
                return

    def close(self) -> None:
        self.ended.set()
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for connection in self._open:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
        for thread in self._threads:
            thread.join(30)


class DeadEnd:
    """An address that takes no connection and refuses none, as one behind a broken router."""

    def __init__(self, address: str, port: int = 0) -> None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._socket = socket.socket(family)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((address, port))
        self._socket.listen(0)
        self.port = self._socket.getsockname()[1]
        # Its queue is full by these; Linux lets further ones wait for ever.
        self._waiting = [socket.socket(family) for _ in range(4)]
        for one in self._waiting:
            one.setblocking(False)
            one.connect_ex((address, self.port))

    def close(self) -> None:
        for one in (*self._waiting, self._socket):
            one.close()


class HttpProxy(Listener):
    """A forward proxy as factories have them: CONNECT and absolute addresses, perhaps a login.

    ``places`` says where names are that it alone can look up; ``refuses``: what it answers CONNECT.
    """

    def __init__(self, login: str | None = None, *, refuses: str | None = None) -> None:
        self.login, self.refuses = login, refuses
        self.places: dict[str, int] = {}
        self.asked: list[str] = []
        super().__init__(self._between)

    def _between(self, client: socket.socket) -> None:
        head = _head(client)
        line = head.split(b"\r\n", 1)[0].decode()
        self.asked.append(line)
        method, target, _ = line.split(" ")
        if not self._allows(head):
            wanted = b'Proxy-Authenticate: Basic realm="factory"\r\nContent-Length: 0\r\n\r\n'
            client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\n" + wanted)
            return
        if self.refuses is not None:
            client.sendall(f"HTTP/1.1 {self.refuses}\r\nContent-Length: 0\r\n\r\n".encode())
            return
        place = target if method == "CONNECT" else target.split("/")[2]
        name, _, port = place.rpartition(":")
        address = ("127.0.0.1", self.places.get(name, int(port)))
        with socket.create_connection(address, 30) as server:
            if method == "CONNECT":
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                server.sendall(head.replace(f"http://{place}".encode(), b"", 1))
            back = threading.Thread(target=_pipe, args=(server, client), daemon=True)
            back.start()
            _pipe(client, server)
            back.join(30)

    def _allows(self, head: bytes) -> bool:
        if self.login is None:
            return True
        wanted = base64.b64encode(self.login.encode())
        return b"Proxy-Authorization: Basic " + wanted + b"\r\n" in head


def _head(connection: socket.socket) -> bytes:
    head = b""
    while b"\r\n\r\n" not in head and len(head) < 65536:
        more = connection.recv(4096)
        if not more:
            raise ConnectionError
        head += more
    return head


def _pipe(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        return


class Authority:
    """A small CA, and certificates by it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a factory's CA")])
        now = dt.datetime.now(dt.UTC)
        made = self._sign(self._name, self._key, (now - dt.timedelta(days=99), 999), (), ca=True)
        self.pem = made.public_bytes(Encoding.PEM).decode()

    def context(
        self, *names: str, begins_in_days: int = -1, lives_days: int = 30
    ) -> ssl.SSLContext:
        """Return what a server needs to be these names and addresses."""
        key = ec.generate_private_key(ec.SECP256R1())
        begins = dt.datetime.now(dt.UTC) + dt.timedelta(days=begins_in_days)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        made = self._sign(subject, key, (begins, lives_days), names, ca=False)
        self.der = made.public_bytes(Encoding.DER)
        cert, secret = self._folder / f"{names[0]}.pem", self._folder / f"{names[0]}.key"
        cert.write_bytes(made.public_bytes(Encoding.PEM))
        secret.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, secret)
        return context

    def _sign(self, subject, key, lives, names, *, ca: bool) -> x509.Certificate:
        begins, days = lives
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begins)
            .not_valid_after(begins + dt.timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if names:
            alternative = x509.SubjectAlternativeName([_general(name) for name in names])
            builder = builder.add_extension(alternative, critical=False)
        return builder.sign(self._key, hashes.SHA256())


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)

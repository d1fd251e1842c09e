"""Who answers in place of the server, and what the agent makes of it: TLS, proxies, portals."""

import hashlib
import json
import os
import socket
import ssl
import threading
from contextlib import nullcontext

import pytest

from agent.fake_server import FakeServer
from agent.network import Authority, HttpProxy, Listener
from moorage_agent import answers, messages, proxies, transport
from moorage_agent.transport import Answer, Transport, Unreachable
from support.video import unused_port

PASSWORD = "p@ss:w/rd"
QUOTED = "p%40ss%3Aw%2Frd"


@pytest.fixture
def opened():
    """Things to close with the test."""
    found = []
    yield found
    for one in found:
        one.close()


@pytest.fixture
def listening(opened):
    """Make a peer that does with each connection what a function says."""

    def made(handle):
        opened.append(Listener(handle))
        return opened[-1]

    return made


def asked(url, **how):
    """The answer to a report of which only the server may know."""
    way = Transport(url, **how)
    try:
        return way.post("/v1/reports", b'{"a": 1}', {"Authorization": "Bearer secret"})
    finally:
        way.close()


# --- TLS


@pytest.mark.parametrize(
    ("names", "lives", "said"),
    [
        (["127.0.0.1"], (-40, 30), r"has expired.*clock"),
        (["127.0.0.1"], (20, 30), r"not yet valid.*clock"),
        (["fleet.lan"], (-1, 30), r"another name than 127\.0\.0\.1.*--host"),
    ],
)
def test_a_certificate_that_is_refused_is_explained_and_gets_nothing(
    tmp_path, opened, names, lives, said
):
    authority = Authority(tmp_path)
    server = FakeServer(authority.context(*names, begins_in_days=lives[0], lives_days=lives[1]))
    opened.append(server)
    with pytest.raises(Unreachable, match=said):
        asked(server.url, ca_pem=authority.pem)
    assert server.paths == []


def test_a_certificate_by_a_stranger_gets_nothing(tmp_path, opened):
    server = FakeServer(Authority(tmp_path).context("127.0.0.1"))
    opened.append(server)
    (tmp_path / "other").mkdir()
    for ca_pem in (None, Authority(tmp_path / "other").pem):
        with pytest.raises(Unreachable, match=r"nobody this device trusts.*--ca-file or --pin"):
            asked(server.url, ca_pem=ca_pem)
    assert server.paths == []


def test_a_pin_takes_its_certificate_whatever_its_names_and_dates_and_no_other(tmp_path, opened):
    authority = Authority(tmp_path)
    server = FakeServer(authority.context("fleet.lan", begins_in_days=-40, lives_days=30))
    opened.append(server)
    right = "sha256:" + hashlib.sha256(authority.der).hexdigest()
    way = Transport(server.url, pin=right)
    assert way.request("GET", "/v1/nothing", b"", {}).status == 404
    way.close()
    server.paths.clear()
    with pytest.raises(Unreachable, match=f"not the pinned one.*{right}"):
        asked(server.url, pin="sha256:" + "0" * 64)
    assert server.paths == []


def test_a_peer_that_speaks_no_tls_is_named_so(server):
    with pytest.raises(Unreachable, match=r"does not speak TLS at that port; is it http://"):
        asked(server.url.replace("http:", "https:"), pin="sha256:" + "0" * 64)


# --- connections that break off or drag on


def cut_at_once(connection):
    connection.recv(1)


def cut_in_the_head(connection):
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Le")


def cut_in_the_body(connection):
    connection.recv(65536)
    connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"chain": ')


@pytest.mark.parametrize("how", [cut_at_once, cut_in_the_body])
def test_a_connection_that_is_cut_in_the_middle_is_no_answer(listening, how):
    peer = listening(how)
    with pytest.raises(Unreachable, match="broke off"):
        asked(f"http://127.0.0.1:{peer.port}")


def test_an_answer_that_is_cut_in_its_head_does_not_count(listening):
    peer = listening(cut_in_the_head)
    answer = asked(f"http://127.0.0.1:{peer.port}")
    heard = answers.message_of(answer, lane=messages.LIVE, chain="c" * 64, now=5.0, luck=0.5)
    assert isinstance(heard, messages.Failed)


def trickles(first):
    def handle(connection):
        connection.recv(65536)
        connection.sendall(first)
        while not ENDED.wait(0.02):
            connection.sendall(b"x")

    return handle


ENDED = threading.Event()


@pytest.fixture
def _impatient(monkeypatch):
    ENDED.clear()
    monkeypatch.setattr(transport, "CONNECT_WITHIN_S", 0.3)
    monkeypatch.setattr(transport, "ANSWER_WITHIN_S", 0.6)
    yield
    ENDED.set()


@pytest.mark.usefixtures("_impatient")
@pytest.mark.parametrize(
    ("scheme", "first"),
    [
        ("http", b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"),
        ("http", b"HTTP/1.1 200 OK\r\nX: "),
        # The head of a record of TLS that says how much is to come.
        ("https", bytes((22, 3, 3, 64, 0))),
        ("https", b""),
    ],
)
def test_a_peer_that_drags_on_does_not_hold_the_lane(listening, scheme, first):
    peer = listening(trickles(first))
    how = {"pin": "sha256:" + "0" * 64} if scheme == "https" else {}
    with pytest.raises(Unreachable, match=r"did not answer in time|TLS was refused"):
        asked(f"{scheme}://127.0.0.1:{peer.port}", **how)


BODY_BYTES, NARROW_BYTES_PER_S = 200_000, 100_000


def is_narrow(connection):
    """Take a request piece by piece, its body in several times ANSWER_WITHIN_S; then answer."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    taken = 0
    while taken < BODY_BYTES:
        piece = connection.recv(4096)
        if not piece or ENDED.wait(len(piece) / NARROW_BYTES_PER_S):
            return
        taken += len(piece)
    connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{"chain": 1}')


@pytest.mark.usefixtures("_impatient")
@pytest.mark.parametrize(("slowest", "arrives"), [(BODY_BYTES / 20, True), (1e9, False)])
def test_a_large_body_has_the_time_that_a_narrow_line_takes_for_it(
    listening, monkeypatch, slowest, arrives
):
    monkeypatch.setattr(transport, "_SLOW_LINE_BYTES_PER_S", slowest)
    way = Transport(f"http://127.0.0.1:{listening(is_narrow).port}")
    in_vain = pytest.raises(Unreachable, match="did not answer in time")
    try:
        with nullcontext() if arrives else in_vain:
            answer = way.request("PUT", "/v1/x", bytes(BODY_BYTES), {"Content-Type": "image/jpeg"})
            assert answer.status == 200
    finally:
        way.close()


@pytest.mark.usefixtures("_impatient")
def test_a_proxy_that_drags_on_does_not_hold_the_lane(listening, monkeypatch):
    peer = listening(trickles(b"HTTP/1.1 200 Connection "))
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{peer.port}")
    with pytest.raises(Unreachable, match="did not answer in time"):
        asked("https://fleet.lan", pin="sha256:" + "0" * 64)


# --- proxies


@pytest.fixture
def proxy(opened):
    """One that asks for a login."""
    opened.append(HttpProxy(f"factory:{PASSWORD}"))
    return opened[-1]


def through(monkeypatch, proxy, login=f"factory:{QUOTED}@", host="127.0.0.1"):
    for variable in ("http_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(variable, f"http://{login}{host}:{proxy.port}")


def test_a_plain_server_is_asked_through_a_proxy_with_its_login(proxy, server, monkeypatch):
    through(monkeypatch, proxy)
    way = Transport(server.url)
    assert way.request("GET", "/v1/nothing", b"", {}).status == 404
    way.close()
    assert proxy.asked == [f"GET {server.url}/v1/nothing HTTP/1.1"]


def test_a_secured_server_is_asked_through_a_tunnel_by_a_name_the_proxy_knows(
    proxy, opened, tmp_path, monkeypatch
):
    authority = Authority(tmp_path)
    server = FakeServer(authority.context("fleet.lan"))
    opened.append(server)
    proxy.places["fleet.lan"] = server.port
    through(monkeypatch, proxy, host="proxy.lan")
    way = Transport("https://fleet.lan", ca_pem=authority.pem, hosts={"proxy.lan": ["127.0.0.1"]})
    assert way.request("GET", "/v1/nothing", b"", {}).status == 404
    way.close()
    assert proxy.asked == ["CONNECT fleet.lan:443 HTTP/1.1"]
    assert "Proxy-Authorization" not in str(server.attempts)


@pytest.mark.parametrize(
    ("login", "said"),
    [("", "give one in"), ("factory:wrong@", "the one in .* is not taken")],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_wants_a_login_is_named_with_where_to_give_it(
    proxy, monkeypatch, scheme, login, said
):
    through(monkeypatch, proxy, login)
    how = {"pin": "sha256:" + "0" * 64} if scheme == "https" else {}
    with pytest.raises(Unreachable, match=f"asks for a login: {said}") as refused:
        asked(f"{scheme}://fleet.lan", **how)
    variable = "http_proxy" if scheme == "http" else "HTTPS_PROXY"
    assert f"127.0.0.1:{proxy.port}" in str(refused.value)
    assert variable in str(refused.value)
    assert "wrong" not in str(refused.value)


def test_a_proxy_that_does_not_let_through_says_why(opened, monkeypatch):
    proxy = HttpProxy(refuses="403 Forbidden by policy 7")
    opened.append(proxy)
    through(monkeypatch, proxy, "")
    with pytest.raises(Unreachable, match=r"fleet\.lan:443: it answers 403 Forbidden by policy 7"):
        asked("https://fleet.lan", pin="sha256:" + "0" * 64)


def test_a_proxy_whose_name_is_in_no_dns_is_named(monkeypatch):
    def in_vain(*_arguments, **_how):
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", in_vain)
    monkeypatch.setenv("https_proxy", "proxy.lan:3128")
    with pytest.raises(Unreachable, match=r"proxy\.lan cannot be resolved"):
        asked("https://fleet.lan", pin="sha256:" + "0" * 64)


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (f"socks5://u:{QUOTED}@proxy.lan:1080", "kind socks5"),
        (f"https://u:{QUOTED}@proxy.lan", "kind https"),
        (f"http://u:{QUOTED}@proxy.lan:port", "http://HOST:PORT"),
        (f"http://u:{QUOTED}@", "http://HOST:PORT"),
        ("http://[fe80::1%25eth0]:3128", "http://HOST:PORT"),
    ],
)
def test_a_proxy_of_no_use_is_refused_by_its_variable_without_its_login(monkeypatch, told, said):
    monkeypatch.setenv("ALL_PROXY", told)
    with pytest.raises(Unreachable, match=said) as refused:
        asked("https://fleet.lan", pin="sha256:" + "0" * 64)
    assert "ALL_PROXY" in str(refused.value)
    assert QUOTED not in str(refused.value)


@pytest.mark.parametrize(
    ("no_proxy", "host", "past"),
    [
        ("*", "fleet.lan", True),
        ("fleet.lan", "fleet.lan", True),
        ("fleet.lan", "eu.fleet.lan", True),
        (".fleet.lan", "eu.fleet.lan", True),
        ("*.fleet.lan", "eu.fleet.lan", True),
        ("fleet.lan", "myfleet.lan", False),
        ("a, Fleet.LAN:8400", "fleet.lan", True),
        ("fleet.lan:8401", "fleet.lan", False),
        ("::1", "::1", True),
        ("[::1]", "::1", True),
        ("[::1]:8400", "::1", True),
        ("", "fleet.lan", False),
        (",", "fleet.lan", False),
    ],
)
def test_what_no_proxy_names_is_asked_directly(monkeypatch, no_proxy, host, past):
    monkeypatch.setenv("https_proxy", "http://proxy.lan:3128")
    monkeypatch.setenv("NO_PROXY", no_proxy)
    assert (proxies.find("https", host, 8400) is None) is past


def test_lower_case_goes_before_upper_and_one_kind_before_all(monkeypatch):
    for variable in ("all_proxy", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(variable, f"http://{variable.replace('_', '-')}:1")
        assert proxies.find("https", "a", 443).host == variable.replace("_", "-").lower()
    assert proxies.find("http", "a", 80).host == "all-proxy"
    monkeypatch.setenv("https_proxy", "")
    assert proxies.find("https", "a", 443).host == "https-proxy"


# --- portals


PORTALS = {
    "a sign-in page": Answer(200, None, None),
    "a sign-in page that says no": Answer(403, None, None),
    "a sign-in page that asks for a key": Answer(401, None, None),
    "a redirect": Answer(302, None, None, "http://portal.lan/login?to=x"),
    "JSON that is not ours": Answer(200, {"status": "ok", "session": "x"}, None),
    "JSON that says no": Answer(401, {"error": "sign in first", "code": 401}, None),
    "JSON that says it is gone": Answer(410, {"error": "gone", "code": 410}, None),
    "JSON that cannot read it": Answer(422, {"error": "what?", "code": 7}, None),
    "JSON of a conflict": Answer(409, {"sequence": 3, "chain": "f" * 64}, None),
    "network authentication required": Answer(511, None, None),
    "nothing": Answer(204, None, None),
}


@pytest.mark.parametrize("portal", PORTALS)
def test_a_portal_is_a_network_that_does_not_work_and_nothing_else(portal):
    answer, now = PORTALS[portal], {"now": 5.0, "luck": 0.5}
    heard = [
        answers.message_of(answer, lane=messages.LIVE, chain="c" * 64, **now),
        answers.told_by(answer, is_new=lambda _command: True, **now),
        answers.config_by(answer, unchanged=3, **now),
        answers.enrolment_by(answer, **now),
    ]
    assert [type(one) for one in heard] == [messages.Failed] * 4
    said = "redirects" if answer.status == 302 else "not a Moorage server"
    assert all(said in one.reason for one in heard)


def test_a_redirect_is_told_with_its_place_and_not_followed(server, listening):
    body = json.dumps({"chain": "0" * 64})

    def redirects(connection):
        connection.recv(65536)
        head = f"HTTP/1.1 302 Found\r\nLocation: {server.url}/v1/reports\r\n"
        connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())

    answer = asked(f"http://127.0.0.1:{listening(redirects).port}")
    assert server.url in answer.explained()
    assert server.paths == []


# --- nothing there


def test_each_way_to_be_away_is_said_in_its_own_words(monkeypatch):
    with pytest.raises(Unreachable, match="nothing listens"):
        asked(f"http://127.0.0.1:{unused_port()}")

    def no_network(*_arguments):
        raise OSError(101, os.strerror(101))

    monkeypatch.setattr(socket.socket, "connect_ex", no_network)
    with pytest.raises(Unreachable, match="Network is unreachable"):
        asked("http://127.0.0.1:1")


def test_a_wrapped_socket_of_a_refused_server_is_closed(tmp_path, opened, recwarn):
    server = FakeServer(Authority(tmp_path).context("fleet.lan"))
    opened.append(server)
    for _ in range(3):
        with pytest.raises(Unreachable):
            asked(server.url, pin="sha256:" + "0" * 64)
    assert not [one for one in recwarn if issubclass(one.category, ResourceWarning)]
    assert ssl.OPENSSL_VERSION  # the module that the refusals come from

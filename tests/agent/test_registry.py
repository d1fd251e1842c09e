"""What a registry says of an image, and what a hostile one cannot make of being asked."""

import base64
import hashlib
import http.server
import ipaddress
import json
import socket
import ssl
import threading
from email.message import Message

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from moorage_agent import planning, registry, registry_auth, registry_http
from moorage_agent.drivers import Outlook
from moorage_agent.images import plain
from moorage_agent.registry import Layer, Platform
from moorage_agent.registry_auth import Challenge, Refused
from moorage_agent.registry_http import Unasked
from support.certificates import write_certificate
from support.registry import Registry, layer

AMD64 = Platform("linux", "amd64")
AUTH = {"username": "reader", "password": "p:ass wörd", "serveraddress": "there"}
USERS = {"reader": "p:ass wörd"}


@pytest.fixture
def make():
    made = []

    def one(*arguments, **more):
        made.append(Registry(*arguments, **more))
        return made[-1]

    yield one
    for each in made:
        each.close()


def sizes(found):
    return {one.digest: one.size_bytes for one in found}


# --- what it is asked


@pytest.mark.parametrize("way", ["basic", "bearer"])
def test_sizes_are_told_to_who_may_read(make, way):
    there = make(USERS, way)
    image = there.push("team/app", "1", layer({"etc/version": "1"}))
    found = registry.look_up(f"{there.host}/team/app:1", AMD64, AUTH)
    assert sizes(found) == image.layers
    assert len(image.layers) == 2


@pytest.mark.parametrize("way", ["basic", "bearer"])
@pytest.mark.parametrize("auth", [None, {**AUTH, "password": "wrong"}])
def test_who_may_not_read_is_refused_and_the_login_is_not_repeated(make, way, auth):
    there = make(USERS, way)
    there.push("app", "1")
    with pytest.raises(Refused) as told:
        registry.look_up(f"{there.host}/app:1", AMD64, auth)
    assert "wrong" not in str(told.value)
    assert "login" in str(told.value)


def test_an_image_that_is_not_there_is_refused(make):
    there = make()
    there.push("app", "1")
    with pytest.raises(Refused, match="404"):
        registry.look_up(f"{there.host}/app:2", AMD64, None)


def test_of_a_list_the_platform_of_the_device_counts(make):
    there = make()
    ours = there.push("app", "amd64", layer({"a": "x" * 1000}))
    other = there.push("app", "arm64", platform=("linux", "arm64"))
    images = {("linux", "arm64"): other, ("linux", "amd64"): ours}
    digest = there.push_list("app", "1", images)
    assert sizes(registry.look_up(f"{there.host}/app:1", AMD64, None)) == ours.layers
    by_digest = registry.look_up(f"{there.host}/app@{digest}", AMD64, None)
    assert sizes(by_digest) == ours.layers
    with pytest.raises(registry.NoSuchPlatform, match=r"linux/s390x.*linux/amd64, linux/arm64"):
        registry.look_up(f"{there.host}/app:1", Platform("linux", "s390x"), None)


def test_what_its_digest_does_not_name_is_of_no_use(make):
    there = make()
    there.push("app", "1")
    for digest in list(there.blobs):
        there.blobs[digest] = b'{"rootfs": {}}'
    with pytest.raises(Unasked, match="digest"):
        registry.look_up(f"{there.host}/app:1", AMD64, None)


@pytest.mark.parametrize(
    ("status", "headers", "body", "named"),
    [
        (500, {}, b"", "500"),
        (429, {"Retry-After": "1"}, b"", "429"),
        (200, {}, b"<html>sign in</html>", "no use"),
        (200, {}, b"[" * 100_000, "no use"),
        (200, {}, b"{}", "kind"),
        (200, {}, b'{"config": {"digest": "sha256:../../x", "size": 1}}', "kind"),
        (200, {}, b'{"manifests": [{"digest": 7, "platform": {}}]}', "no|not for"),
        (200, {}, b" " * (4 * 1024 * 1024 + 1), "more than"),
        (401, {}, b"", "kind"),
        (401, {"WWW-Authenticate": "Negotiate"}, b"", "kind"),
        (401, {"WWW-Authenticate": "Bearer " + 'a="b",' * 5000}, b"", "kind"),
        (401, {"WWW-Authenticate": 'Bearer realm="nowhere"'}, b"", "address"),
        (302, {"Location": "http://192.0.2.1/"}, b"", "TLS"),
        (302, {"Location": "file:///etc/passwd"}, b"", "address"),
        (302, {"Location": "/v2/app/manifests/1"}, b"", "again and again"),
    ],
)
def test_an_answer_of_no_use_leaves_the_size_unknown(make, status, headers, body, named):
    there = make()
    there.answers["/v2/app/manifests/1"] = (status, headers, body)
    with pytest.raises((Unasked, Refused), match=named):
        registry.look_up(f"{there.host}/app:1", AMD64, AUTH)


def test_nobody_there_and_no_end_to_an_answer_are_bounded():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        name = f"127.0.0.1:{silent.getsockname()[1]}/app:1"
        with pytest.raises(Unasked, match="refused"):
            registry.look_up(name, AMD64, None)
        silent.listen()
        ended = threading.Event()

        def trickle():
            sock, _ = silent.accept()
            with sock:
                sock.sendall(b"HTTP/1.1 200 OK\r\n")
                while not ended.wait(0.05):
                    try:
                        sock.sendall(b"X")
                    except OSError:
                        return

        thread = threading.Thread(target=trickle)
        thread.start()
        try:
            with pytest.raises(Unasked, match="did not answer within"):
                registry.look_up(name, AMD64, None, within_s=1)
        finally:
            ended.set()
            thread.join()


# --- where logins go


def test_blobs_elsewhere_are_asked_for_without_the_login(make):
    there, elsewhere = make(USERS), make()
    there.push("app", "1")
    elsewhere.blobs = there.blobs
    there.blobs_at = f"http://{elsewhere.host}"
    registry.look_up(f"{there.host}/app:1", AMD64, AUTH)
    assert elsewhere.paths("/blobs/")
    assert [one.login for one in elsewhere.requests] == [None]


def test_a_token_is_for_reading_this_one_repository_whatever_the_registry_says(make):
    there = make(USERS, "bearer")
    there.push("app", "1")
    registry.look_up(f"{there.host}/app:1", AMD64, AUTH)
    [asked] = there.paths("/token")
    assert "scope=repository%3Aapp%3Apull" in asked
    logins = [one.login for one in there.requests if "/v2/" in one.path]
    assert logins[0] is None
    assert all(login.startswith("Bearer ") for login in logins[1:])


def test_the_login_is_not_brought_anywhere_without_tls(make):
    there = make(USERS, "bearer")
    there.push("app", "1")
    there.realm = "http://192.0.2.1/token"
    with pytest.raises(Unasked, match="without TLS"):
        registry.look_up(f"{there.host}/app:1", AMD64, AUTH)
    challenge = f'Bearer realm="http://{there.host}/token"'
    with pytest.raises(Unasked, match="without it"):
        registry_auth.authorization(
            registry_http.Asker(5), "https://r.example/v2/", "app", [challenge], AUTH
        )
    assert there.paths("/token") == []


def test_a_registry_outside_cannot_have_us_ask_inside(make, monkeypatch):
    """As one that names, for its tokens, a service which trusts whoever is in its network."""
    there, inside = make(USERS, "bearer"), make()
    there.push("app", "1")
    inside.answers["/token"] = (200, {}, b'{"token": "of-the-inside"}')
    there.realm = f"http://{inside.host}/token"
    near = []

    def nearness(_call):
        near.append(registry_http._HERE if near else registry_http._OUTSIDE)
        return near[-1]

    monkeypatch.setattr(registry_http._Call, "nearness", nearness)
    with pytest.raises(Unasked, match="inside this device's network"):
        registry.look_up(f"{there.host}/app:1", AMD64, AUTH)
    assert inside.requests == []


@pytest.mark.parametrize(
    ("address", "nearness"),
    [
        ("127.0.0.1", 0),
        ("169.254.169.254", 0),
        ("::1", 0),
        ("fe80::1", 0),
        ("::ffff:127.0.0.1", 0),
        ("10.1.2.3", 1),
        ("192.168.0.1", 1),
        ("100.64.0.1", 1),
        ("fd00::1", 1),
        ("::ffff:10.0.0.1", 1),
        ("1.1.1.1", 2),
        ("2606:4700::1111", 2),
    ],
)
def test_how_near_an_address_is(address, nearness):
    assert registry_http._nearness(ipaddress.ip_address(address)) == nearness


def test_tls_is_checked_against_the_certificates_that_the_engine_has_for_a_registry(
    make, tmp_path, monkeypatch
):
    certificate, key = write_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    there, plain_there = make(), make()
    port = there.listen(tls=context).server_port
    url = f"https://127.0.0.1:{port}/v2/"

    def ask(address, **headers):
        asker = registry_http.Asker(10)
        return asker.get(address, headers, most_bytes=1000, moves=True)

    with pytest.raises(Unasked, match="TLS was refused"):
        ask(url, Authorization="Basic secret")
    assert there.requests == []
    folder = tmp_path / "certs" / f"127.0.0.1:{port}"
    folder.mkdir(parents=True)
    certificate.rename(folder / "ca.crt")
    monkeypatch.setattr(registry_http, "_CERTIFICATES", str(tmp_path / "certs"))
    assert ask(url).status == 200
    # From TLS nobody is sent to where there is none.
    there.answers["/v2/"] = (302, {"Location": f"http://{plain_there.host}/v2/"}, b"")
    with pytest.raises(Unasked, match="from TLS to plain HTTP"):
        ask(url)
    assert plain_there.requests == []


def test_a_token_that_would_break_a_header_is_none(make):
    there = make(USERS, "bearer")
    there.push("app", "1")
    there.answers["/token"] = (200, {}, json.dumps({"token": "a\r\nX: b"}).encode())
    with pytest.raises(Unasked, match="with none"):
        registry.look_up(f"{there.host}/app:1", AMD64, AUTH)


def test_a_proxy_is_gone_through_but_for_this_machine(monkeypatch, make):
    seen = []

    class Proxy(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_arguments):
            """Say nothing."""

        def do_CONNECT(self):
            seen.append(self.path)
            self.send_error(403)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{server.server_port}")
        with pytest.raises(Unasked, match="proxy"):
            registry.look_up("r.example/app:1", AMD64, None)
        there = make()
        there.push("app", "1")
        registry.look_up(f"{there.host}/app:1", AMD64, None)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert seen == ["r.example:443"]


# --- rules

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner),
)
_PARTS = st.sampled_from(
    ["manifests", "config", "layers", "digest", "size", "platform", "os", "rootfs", "diff_ids"]
)
_LIKE_A_MANIFEST = st.recursive(
    _JSON | st.just("sha256:" + "0" * 64),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_PARTS, inner),
    max_leaves=20,
)


class Scripted:
    """Answers with a manifest, then with the config that it names."""

    def __init__(self, *bodies):
        self.bodies = list(bodies)

    def get(self, *_arguments, **_more):
        return registry_http.Reply(200, Message(), self.bodies.pop(0))


@settings(suppress_health_check=list(HealthCheck), deadline=None)
@given(_LIKE_A_MANIFEST, _LIKE_A_MANIFEST, st.booleans())
def test_no_manifest_is_so_odd_that_it_is_not_simply_of_no_use(first, second, named):
    config = json.dumps(second).encode()
    if named:
        digest = "sha256:" + hashlib.sha256(config).hexdigest()
        entry = {"digest": digest, "size": len(config)}
        first = {"config": entry, "layers": [entry, first]}
    scripted = Scripted(json.dumps(first).encode(), config)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "Asker", lambda _within_s: scripted)
        try:
            found = registry.look_up("r.example/app:1", AMD64, None)
        except (Refused, Unasked):
            return
    assert all(one.size_bytes >= 0 for one in found)


@given(st.lists(st.text(max_size=200) | st.just('Bearer realm="x",service="y"'), max_size=3))
def test_any_challenge_is_read_or_is_none(headers):
    found = registry_auth.challenge_of(headers)
    assert found is None or found.scheme in ("basic", "bearer")


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ([], None),
        (["Negotiate"], None),
        (['Basic realm="r"'], Challenge("basic", "r", "")),
        (['bearer realm="https://t/x",service=s'], Challenge("bearer", "https://t/x", "s")),
        (['Basic realm="r"', 'Bearer realm="t"'], Challenge("bearer", "t", "")),
        (['Bearer scope="a,b", realm="t"'], Challenge("bearer", "t", "")),
    ],
)
def test_a_challenge_is_read(headers, found):
    assert registry_auth.challenge_of(headers) == found


@pytest.mark.parametrize(
    ("image", "parts"),
    [
        ("busybox", ("docker.io", "library/busybox", "latest")),
        ("team/app:2", ("docker.io", "team/app", "2")),
        ("r.example:5000/a/b/c:v1.0", ("r.example:5000", "a/b/c", "v1.0")),
        ("localhost/app", ("localhost", "app", "latest")),
        (f"r.example/a:1@sha256:{'0' * 64}", ("r.example", "a", f"sha256:{'0' * 64}")),
    ],
)
def test_a_name_is_read(image, parts):
    assert tuple(registry.parsed(image)) == parts


@pytest.mark.parametrize(
    "image", ["r.example/../x", "r.example/a:b/../c", "a@sha256:1", "UPPER", "r.e@x/a", "a:b c"]
)
def test_what_is_no_name_is_asked_of_nobody(image):
    with pytest.raises(Refused, match="no name"):
        registry.look_up(image, AMD64, None)


@pytest.mark.parametrize(
    ("version", "machine", "variants"),
    [
        ({"Os": "linux", "Arch": "amd64"}, "x86_64", ("",)),
        ({"Os": "linux", "Arch": "arm64"}, "aarch64", ("v8", "")),
        ({"Os": "linux", "Arch": "arm"}, "armv7l", ("v7", "v6", "v5", "")),
        ({"Os": "linux", "Arch": "arm"}, "armv6l", ("v6", "v5", "")),
    ],
)
def test_an_older_variant_will_do_and_a_newer_one_will_not(version, machine, variants):
    platform = registry.platform_of(version, machine)
    assert platform.variants == variants
    newest = {"v7": "a", "v6": "b", "v5": "c", "v8": "d", "": "e"}
    entries = [
        {
            "digest": "sha256:" + hashlib.sha256(name.encode()).hexdigest(),
            "size": 1,
            "platform": {
                "os": platform.os,
                "architecture": platform.architecture,
                "variant": variant,
            },
        }
        for variant, name in newest.items()
    ]
    wanted = newest[variants[0]]
    expected = "sha256:" + hashlib.sha256(wanted.encode()).hexdigest()
    assert registry.chosen(entries, platform) == expected


def test_a_layer_is_there_only_upon_the_same_layers():
    layers = [Layer("a", 1, "A"), Layer("b", 10, "B"), Layer("c", 100, "C")]
    assert registry.missing(layers, []) == {"a": 1, "b": 10, "c": 100}
    assert registry.missing(layers, [["A", "X"], ["B", "C"]]) == {"b": 10, "c": 100}
    assert registry.missing(layers, [["A", "B", "C", "D"]]) == {}
    assert registry.missing([*layers, layers[0]], []) == {"a": 1, "b": 10, "c": 100}


def test_a_layer_that_two_services_need_is_pulled_once_and_the_room_is_for_all():
    gib = 2**30
    outlooks = {
        "a": Outlook(pulls={"x": gib, "y": 1}, free_bytes=5 * gib),
        "b": Outlook(pulls={"x": gib, "z": gib}, free_bytes=5 * gib),
        "c": Outlook(),
    }
    met = planning.met_by(outlooks)
    assert met.pulls == {"a": gib + 1, "b": gib}
    [full] = met.obstacles
    assert (full["service"], full["kind"], full["free_bytes"]) == ("b", "disk", 5 * gib)


def test_the_login_is_cut_out_of_what_an_engine_repeats():

    encoded = base64.b64encode(b"reader:p:ass w\xc3\xb6rd").decode()
    said = f"GET https://b.example/x?signature=1: {encoded} p:ass wörd"
    assert plain(said, AUTH) == "GET https://b.example/x?... *** ***"

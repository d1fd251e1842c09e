"""Where a server is: the agent's own table, both families, and addresses that lead nowhere."""

import json
import socket

import pytest

from agent.fake_server import FakeServer
from agent.kit import token
from agent.network import Authority, DeadEnd, Listener, needs_ipv6
from moorage_agent import addresses, cli
from moorage_agent.transport import Transport, Unreachable
from support.video import unused_port

GONE = "fleet.invalid"


@pytest.fixture
def opened():
    """Things to close with the test."""
    found = []
    yield found
    for one in found:
        one.close()


@pytest.fixture
def no_dns(monkeypatch):
    """Names are looked up in vain, as where the network or its DNS is gone."""
    real = socket.getaddrinfo

    def in_vain(host, port, **how):
        how["flags"] = how.get("flags", 0) | socket.AI_NUMERICHOST
        return real(host, port, **how)

    monkeypatch.setattr(addresses.socket, "getaddrinfo", in_vain)


def asked(url, hosts, **how):
    """What a server at that address answers, by way of a question that it does not know."""
    transport = Transport(url, hosts=hosts, **how)
    try:
        return transport.request("GET", "/v1/nothing", b"", {}).status
    finally:
        transport.close()


# --- the table


def test_entries_make_a_table_and_what_is_given_replaces_what_was_kept_of_a_name():
    table = addresses.with_entries({}, ["Fleet.LAN.=10.0.0.5", "fleet.lan=[fd00::5]", "p=10.1.1.1"])
    assert table == {"fleet.lan": ["10.0.0.5", "fd00::5"], "p": ["10.1.1.1"]}
    table = addresses.with_entries(table, ["fleet.lan=10.0.0.6", "p="])
    assert table == {"fleet.lan": ["10.0.0.6"]}
    assert addresses.stored(addresses.written(table)) == table
    assert addresses.written(addresses.with_entries(table, ["fleet.lan="])) is None


@pytest.mark.parametrize(
    "entry",
    [
        "",
        "fleet.lan",
        "=10.0.0.5",
        "fleet.lan=other.lan",
        "fleet.lan=10.0.0",
        "fleet.lan=10.0.0.5:8400",
        "fleet.lan=10.0.0.5%eth0",
        "fleet.lan=fe80::1%",
        "fleet.lan=fe80::1%a b",
        "fleet lan=10.0.0.5",
        "fleet.lan:8400=10.0.0.5",
        "10.0.0.5=10.0.0.6",
        "https://fleet.lan=10.0.0.5",
    ],
)
def test_what_is_no_entry_is_refused_with_what_one_is(entry):
    with pytest.raises(ValueError, match="NAME=ADDRESS"):
        addresses.with_entries({}, [entry])


@pytest.mark.parametrize(
    "value", ["a=10.0.0.1,b=::1", " a=10.0.0.1  b=::1 ", "a=10.0.0.1,\nb=::1,"]
)
def test_a_variable_holds_entries_between_spaces_or_commas(value):
    table = addresses.with_entries({}, addresses.entries_of(value))
    assert table == {"a": ["10.0.0.1"], "b": ["::1"]}
    assert addresses.entries_of(None) == addresses.entries_of(" ,") == []


# --- reaching the server by it


def test_a_name_that_no_dns_knows_is_reached_by_the_table(server, no_dns):
    url = f"http://{GONE}:{server.port}"
    with pytest.raises(Unreachable, match=rf"{GONE} cannot be resolved.*--host"):
        asked(url, {})
    assert asked(url, {GONE: ["127.0.0.1"]}) == 404


def test_the_server_is_asked_under_its_name_whatever_the_table_says():
    heads = []

    def answer(connection):
        heads.append(connection.recv(4096))
        connection.sendall(b"HTTP/1.1 404 None\r\nContent-Length: 0\r\n\r\n")

    listener = Listener(answer)
    try:
        asked(f"http://{GONE}:{listener.port}", {GONE: ["127.0.0.1"]})
    finally:
        listener.close()
    assert f"\r\nHost: {GONE}:{listener.port}\r\n".encode() in heads[0]


def test_tls_checks_the_name_also_where_the_table_gives_the_address(tmp_path, opened):
    authority = Authority(tmp_path)
    server = FakeServer(authority.context("fleet.lan"))
    opened.append(server)
    table = {"fleet.lan": ["127.0.0.1"], "other.lan": ["127.0.0.1"]}
    assert asked(f"https://fleet.lan:{server.port}", table, ca_pem=authority.pem) == 404
    with pytest.raises(Unreachable, match=r"another name than other\.lan"):
        asked(f"https://other.lan:{server.port}", table, ca_pem=authority.pem)


def test_a_table_that_names_no_address_of_this_machine_says_so():
    with pytest.raises(Unreachable, match="table of hosts says fe80::1%nowhere9"):
        asked("http://fleet.lan:8400", {"fleet.lan": ["fe80::1%nowhere9"]})


# --- IPv6


def test_an_address_of_ipv6_stands_in_brackets(opened):
    needs_ipv6()
    server = FakeServer(address="::1")
    opened.append(server)
    assert server.url.startswith("http://[::1]:")
    assert asked(server.url, {}) == 404


def test_a_certificate_for_an_address_of_ipv6_is_checked_against_it(tmp_path, opened):
    needs_ipv6()
    authority = Authority(tmp_path)
    right = FakeServer(authority.context("::1"), address="::1")
    wrong = FakeServer(authority.context("::2"), address="::1")
    opened += [right, wrong]
    assert asked(right.url, {}, ca_pem=authority.pem) == 404
    with pytest.raises(Unreachable, match=r"another name than ::1"):
        asked(wrong.url, {}, ca_pem=authority.pem)


def test_a_name_with_addresses_of_ipv6_only_is_reached(opened, monkeypatch):
    needs_ipv6()
    server = FakeServer(address="::1")
    opened.append(server)
    real = socket.getaddrinfo

    def aaaa_only(host, port, **how):
        return real("::1" if host == GONE else host, port, **how)

    monkeypatch.setattr(addresses.socket, "getaddrinfo", aaaa_only)
    transport = Transport(f"http://{GONE}:{server.port}")
    transport.find_local_address()
    assert transport.local_address == "::1"
    assert transport.request("GET", "/v1/nothing", b"", {}).status == 404
    transport.close()


def test_a_zone_stands_in_the_table_and_not_in_the_servers_address(opened):
    needs_ipv6()
    server = FakeServer(address="::1")
    opened.append(server)
    for written in ("fe80::1%25eth0", "fe80::1%eth0"):
        with pytest.raises(ValueError, match=r"zone.*--host"):
            Transport(f"http://[{written}]:8400")
    # By its number, for names of zones go with addresses of one link only, and loopback has none.
    table = addresses.with_entries({}, [f"fleet.lan=::1%{socket.if_nametoindex('lo')}"])
    assert asked(f"http://fleet.lan:{server.port}", table) == 404


@pytest.mark.parametrize("dead", ["::1", "127.0.0.1"])
def test_a_family_that_does_not_answer_costs_a_moment_only(opened, dead):
    needs_ipv6()
    alive = "127.0.0.1" if dead == "::1" else "::1"
    server = FakeServer(address=alive)
    opened += [server, DeadEnd(dead, server.port)]
    url = f"http://fleet.lan:{server.port}"
    with pytest.raises(OSError, match="timed out"):
        addresses.connect("fleet.lan", server.port, {"fleet.lan": [dead]}, 0.5)
    assert asked(url, {"fleet.lan": [dead, dead, dead, alive]}) == 404


def test_a_family_that_refuses_is_left_at_once_and_all_are_named_when_none_answers(opened):
    needs_ipv6()
    server = FakeServer()
    opened.append(server)
    table = {"fleet.lan": ["::1", "127.0.0.1"]}
    assert asked(f"http://fleet.lan:{server.port}", table) == 404
    with pytest.raises(Unreachable, match=r"::1: .*refused; 127\.0\.0\.1: .*refused"):
        asked(f"http://fleet.lan:{unused_port()}", table)


def test_the_families_take_turns_and_a_name_of_many_addresses_is_not_tried_for_ever():
    many = [f"10.0.0.{n}" for n in range(1, 20)] + [f"fd00::{n}" for n in range(1, 20)]
    found = [one.address[0] for one in addresses.resolve("a", 80, {"a": many})]
    assert found == [f"{head}{n}" for n in range(1, 5) for head in ("10.0.0.", "fd00::")]


def test_all_that_was_begun_is_closed(opened):
    needs_ipv6()
    server = FakeServer()
    opened += [server, DeadEnd("::1", server.port)]
    endpoints = addresses.resolve("a", server.port, {"a": ["::1", "127.0.0.1"]})
    attempts = addresses._Attempts(endpoints)
    won = attempts.first(addresses.time.monotonic() + 30)
    left = [key.fileobj for key in attempts._under_way()]
    attempts.close()
    assert left
    assert all(one.fileno() == -1 for one in left)
    won.close()


# --- by the command line


def status(folder, capsys):
    capsys.readouterr()
    assert cli.main(["status", "--json", "--dir", str(folder)]) == 0
    return json.loads(capsys.readouterr().out)


def enroll(folder, server, *entries):
    hosts = [f"--host={entry}" for entry in entries]
    url = f"http://{GONE}:{server.port}"
    arguments = ["enroll", "--server", url, "--token", token(), "--dir", str(folder), *hosts]
    return cli.main(arguments)


def test_the_table_is_given_at_enrolment_kept_shown_and_changed(server, tmp_path, capsys):
    folder = tmp_path / "agent"
    assert enroll(folder, server, f"{GONE}=127.0.0.1", "proxy.lan=10.0.0.7") == 0
    assert status(folder, capsys)["hosts"] == {GONE: ["127.0.0.1"], "proxy.lan": ["10.0.0.7"]}
    assert cli.main(["run", "--once", "--dir", str(folder)]) == 0
    assert server.accepted
    # Enrolled already: only the table changes.
    assert enroll(folder, server, "proxy.lan=") == 0
    assert len(server.enrolments) == 1
    assert status(folder, capsys)["hosts"] == {GONE: ["127.0.0.1"]}
    assert cli.main(["status", "--dir", str(folder)]) == 0
    assert f"{GONE}=127.0.0.1" in capsys.readouterr().out


def test_the_environment_has_the_last_word_on_a_name(server, tmp_path, capsys, monkeypatch):
    folder = tmp_path / "agent"
    assert enroll(folder, server, f"{GONE}=127.0.0.1") == 0
    monkeypatch.setenv("MOORAGE_AGENT_HOSTS", f"{GONE}=127.0.0.9, more.lan=::1")
    assert status(folder, capsys)["hosts"] == {GONE: ["127.0.0.9"], "more.lan": ["::1"]}
    monkeypatch.setenv("MOORAGE_AGENT_HOSTS", "nonsense")
    assert cli.main(["status", "--dir", str(folder)]) == 1
    assert "NAME=ADDRESS" in capsys.readouterr().err


def test_what_is_no_entry_enrols_nothing(server, tmp_path, capsys):
    assert enroll(tmp_path / "agent", server, "fleet.lan") == 1
    assert "NAME=ADDRESS" in capsys.readouterr().err
    assert not server.enrolments

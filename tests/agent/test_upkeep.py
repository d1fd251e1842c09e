"""What the agent does about itself while its disk cannot be written to: later, and all of it."""

import base64
import json
import queue
import sqlite3
from contextlib import contextmanager

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from moorage_agent import moving, server_keys
from moorage_agent.enrol import Home, Trust
from moorage_agent.lanes import Lanes
from moorage_agent.messages import LIVE, Acknowledged, Command, Failed
from moorage_agent.servers import Address
from moorage_agent.store import Store
from moorage_agent.transport import Transport
from moorage_agent.update_fetch import Asked, Nothing
from moorage_agent.update_offer import Wanted
from moorage_agent.upkeep import Upkeep

SIGNER = Ed25519PrivateKey.generate()
KEY = SIGNER.public_key().public_bytes_raw()


def unpadded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def listed(*urls: str, issued_at: int = 5) -> str:
    entries = [{"url": url} for url in urls]
    told = json.dumps({"v": 1, "servers": entries, "issued_at": issued_at})
    text = f"MRS1.{unpadded(told.encode())}"
    return f"{text}.{unpadded(SIGNER.sign(text.encode()))}"


@pytest.fixture
def store(folder):
    opened = Store(str(folder), boot_id="boot")
    server_keys.keep(opened, opened.get("server"), KEY)
    yield opened
    opened.close()


@pytest.fixture
def upkeep(store, server):
    def transport():
        return Transport(server.url)

    inbox = queue.SimpleQueue()
    lanes = Lanes(store, transport, inbox, boot_id="boot", on_other_identity=lambda: None)
    return Upkeep(store, None, lanes, moving.transport_to, inbox.put)


@contextmanager
def unwritable(store):
    store._db.execute("PRAGMA query_only=1")
    yield
    store._db.execute("PRAGMA query_only=0")


def events(store) -> list[str]:
    rows = store._db.execute("SELECT body FROM rows WHERE part = 'events' ORDER BY id")
    return [json.loads(body)["event"] for (body,) in rows]


def nothing(command_id: str | None, reason: str) -> Nothing:
    return Nothing(Asked(command_id, Wanted(), "", None, ()), reason, seriously=True)


def test_why_there_was_no_update_is_told_though_the_disk_was_full(store, upkeep):
    upkeep.take(nothing(None, "its digest is another"))
    with unwritable(store):
        for _ in range(2):
            with pytest.raises(sqlite3.OperationalError):
                list(upkeep.go_on())
    assert list(upkeep.go_on()) == []
    upkeep.take(nothing(None, "its digest is another"))
    assert list(upkeep.go_on()) == []
    assert events(store) == ["agent.update_failed"]


def test_what_came_of_a_command_is_not_lost_by_what_fails_after_it(store, upkeep):
    command = Command("cmd_1", "update_agent", {}, None)
    upkeep.updater._commands[command.id] = command
    upkeep.take(nothing(command.id, "there is none"))
    upkeep.take(nothing(None, "its digest is another"))
    told = []
    with unwritable(store), pytest.raises(sqlite3.OperationalError):
        told.extend(upkeep.go_on())
    assert [(one.command, one.outcome.error) for one in told] == [(command, "there is none")]
    assert list(upkeep.go_on()) == []
    assert events(store) == ["agent.update_failed"]


def failed(now: float) -> Failed:
    return Failed(LIVE, now, "nobody answers", 0.5)


def test_only_an_address_that_fails_for_long_is_left_for_another(store, server, upkeep):
    upkeep.honour({"servers": listed(server.url, "http://127.0.0.1:9")}, 0.0)
    mover = upkeep._mover
    upkeep.tick(1.0)
    upkeep.hear(failed(100.0))
    upkeep.hear(failed(390.0))
    upkeep.tick(399.0)
    assert not mover._busy
    upkeep.hear(Acknowledged(LIVE, 399.5, 30.0))
    upkeep.hear(failed(420.0))
    upkeep.tick(719.0)
    assert not mover._busy
    upkeep.tick(720.5)
    assert mover._busy
    # Found after all, but by now the present one answers.
    upkeep.hear(Acknowledged(LIVE, 721.0, 30.0))
    upkeep.take(moving.Tried(mover._text, Address("http://127.0.0.1:9"), ""))
    list(upkeep.go_on())
    assert (store.get("server"), store.get("home")) == (server.url, None)
    assert events(store) == []


def test_a_home_that_the_list_does_not_name_any_more_is_none(store, server, upkeep):
    away = Home("http://127.0.0.1:9", Trust(None, "sha256:" + "0" * 64))
    store.put(home=away.text())
    upkeep._mover._home = away
    upkeep.honour({"servers": listed(server.url, away.url)}, 0.0)
    upkeep.tick(1.0)
    assert store.get("home") == away.text()
    upkeep._mover._busy = False
    upkeep.honour({"servers": listed(server.url, issued_at=6)}, 500.0)
    upkeep.tick(501.0)
    assert store.get("home") is None
    assert not upkeep._mover._busy


@pytest.mark.parametrize("text", [listed("http://127.0.0.1:9"), "MRS1.none.of.ours"])
def test_a_list_that_cannot_be_written_down_is_looked_at_again_and_stops_no_tick(
    store, upkeep, text
):
    upkeep.honour({"servers": text}, 0.0)
    with unwritable(store):
        with pytest.raises(sqlite3.OperationalError):
            upkeep.tick(1.0)
        upkeep.tick(1.5)
        upkeep.tick(2.0)
    upkeep.tick(3700.0)
    followed = store.get("servers_issued_at") == "5"
    assert followed or events(store) == ["agent.servers_refused"]

"""What the agent does about itself while its disk cannot be written to: later, and all of it."""

import base64
import json
import queue
import sqlite3
from contextlib import contextmanager

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from moorage_agent import moving, server_keys
from moorage_agent.lanes import Lanes
from moorage_agent.messages import Command
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

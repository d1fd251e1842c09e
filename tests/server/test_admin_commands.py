"""The first start's link, and `moorage admin ...`: who may sign in, from the server's own shell."""

import json
import os
import pty
import re
import select
import signal
import stat
import subprocess
import sys
import time

import pytest

from moorage.core import accounts
from moorage.core.accounts import LinkKind
from moorage.core.errors import DomainError
from moorage.server import load_settings
from moorage.server.opening import opened
from server.commands import moorage, sentence_of
from support.accounts import ELSEWHERE, PASSWORD, cheap
from support.postgres import free_port
from support.server import ServerProcess

LINK = re.compile(r"http://\S+/console/(set-up|password)#(mlnk_[0-9a-f]{64})")


@pytest.fixture
def server(tmp_path):
    process = ServerProcess(tmp_path)
    yield process
    process.stop()


async def redeem(folder, address: str, email: str = "ada@example.com"):
    """Do what the page of a set-up link does."""
    hashed = await cheap().hash(PASSWORD)
    async with opened(load_settings(data=folder)) as (db, _), db.write() as tx:
        return await accounts.redeem_set_up(
            tx,
            LINK.fullmatch(address)[2],
            email=email,
            name="Ada",
            hashed=hashed,
            origin=ELSEWHERE,
            workspace="acme",
        )


async def test_a_first_start_puts_its_link_in_a_file_of_the_owners_and_not_into_the_log(server):
    server.start()
    file = server.folder / "data" / "set-up-link.txt"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    address = file.read_text().strip()
    assert address.startswith(f"{server.base_url}/console/set-up#mlnk_")
    assert "mlnk_" not in server.log.read_text()
    assert str(file) in server.log.read_text()
    server.stop()
    made = await redeem(server.folder / "data", address)
    assert made.session.role == "owner"
    server.start()
    assert not file.exists(), "with an account there is no link to hand out"


def test_on_a_terminal_the_link_is_printed_once_and_no_file_is_left(tmp_path):
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "moorage.cli", "serve", "--port", str(free_port())]
    process = subprocess.Popen(
        [*command, "--data", str(tmp_path / "data")],
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=subprocess.PIPE,
    )
    os.close(theirs)
    shown = b""
    deadline = time.monotonic() + 60
    while not LINK.search(shown.decode()) and time.monotonic() < deadline:
        if select.select([ours], [], [], 1)[0]:
            shown += os.read(ours, 4096)
    process.send_signal(signal.SIGTERM)
    _, logged = process.communicate(timeout=60)
    os.close(ours)
    assert len(LINK.findall(shown.decode())) == 1
    assert b"mlnk_" not in logged
    assert not (tmp_path / "data" / "set-up-link.txt").exists()


async def test_a_link_made_beside_a_running_server_lets_another_owner_in(tmp_path):
    folder = tmp_path / "data"
    moorage("bootstrap", "--workspace", "acme", "--data", folder)
    done = moorage("admin", "set-up-link", "--workspace", "acme", "--json", "--data", folder)
    assert done.returncode == 0, done.stderr
    address = json.loads(done.stdout)["url"]
    made = await redeem(folder, address)
    with pytest.raises(DomainError) as refusal:
        await redeem(folder, address, "eve@example.com")
    assert refusal.value.code == "link_invalid"
    listed = json.loads(moorage("admin", "accounts", "--json", "--data", folder).stdout)
    assert [(one["id"], one["workspaces"]) for one in listed["accounts"]] == [
        (made.session.account.id, {"acme": "owner"})
    ]


async def test_who_lost_password_and_phone_gets_back_in_from_the_servers_shell(tmp_path):
    folder = tmp_path / "data"
    moorage("bootstrap", "--workspace", "acme", "--data", folder)
    link = moorage("admin", "set-up-link", "--json", "--data", folder)
    made = await redeem(folder, json.loads(link.stdout)["url"])
    done = moorage(
        *("admin", "reset-password", "Ada@example.com", "--remove-second-factor"),
        *("--url", "https://fleet.example.com", "--data", folder),
    )
    found = LINK.search(done.stdout.replace("https://fleet.example.com", "http://fleet"))
    async with opened(load_settings(data=folder)) as (db, _):
        hashed = await cheap().hash("an entirely new one")
        async with db.write() as tx:
            link = await accounts.check_link(tx, found[2], LinkKind.RESET)
            assert link.email == "ada@example.com"
            await accounts.redeem_reset(tx, found[2], hashed=hashed)
        async with db.read() as tx:
            assert await accounts.find_session(tx, made.text) is None


def test_what_there_is_not_is_said_in_one_line(tmp_path):
    folder = tmp_path / "data"
    moorage("bootstrap", "--workspace", "acme", "--data", folder)
    for arguments in (
        ("reset-password", "nobody@example.com"),
        ("disable", "nobody@example.com"),
        ("set-up-link", "--workspace", "nowhere"),
    ):
        assert "there is no such" in sentence_of(moorage("admin", *arguments, "--data", folder))

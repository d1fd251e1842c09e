"""No secret stands in the database in a form that whoever holds a copy of it could read."""

import base64

import pytest
import sqlalchemy as sa

from moorage.core import commands, config, keys, provisioning, streams
from moorage.core.errors import DomainError
from moorage.ingest import Ingest, Retention
from moorage.kit.ids import new_key_text
from moorage.storage import metadata
from support.engines import on_sqlite
from support.senders import Sender, line

IN_CONFIG = {
    "streams": {"s": {"source": {"url": "rtsp://me:Hush-Stream@cam/1", "password": "Hush-Word"}}},
    "services": {"web": {"environment_variables": {"TOKEN": "Hush-Variable"}}},
    "config": {"registry": {"api_key": "Hush-Registry"}},
}


async def everything_in(db) -> dict[str, str]:
    """All that the engine itself has in each table, by table, as text."""
    async with db.read() as tx:
        if db.engine.name == "sqlite":
            listed = "SELECT name FROM sqlite_master WHERE type = 'table'"
        else:
            listed = "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'"
        tables = [row.name for row in await tx.rows(sa.text(listed))]
        assert set(metadata.tables) <= set(tables)
        return {
            name: repr([tuple(row) for row in await tx.rows(sa.text(f"SELECT * FROM {name}"))])
            for name in tables
        }


def spellings(secret: str) -> set[str]:
    """The secret as it is, and as base64 or hex would hide it from a search."""
    raw = secret.encode()
    shifted = [base64.b64encode(b"\x00" * shift + raw).decode()[4:-4] for shift in range(3)]
    return {secret, raw.hex(), *shifted}


async def run_all(db, owner, clock) -> set[str]:
    """A representative day; returns every secret that was told to anybody or by anybody."""
    secrets = {"Hush-Stream", "Hush-Word", "Hush-Variable", "Hush-Registry"}
    ingest = Ingest(db, retention=Retention())
    ingest.start()
    async with db.write() as tx:
        await config.set_default(tx, owner, IN_CONFIG, if_match=None)
        workspace_key = await keys.create(tx, owner, name="ci", scopes=None)
        rolled = await keys.roll(tx, owner, workspace_key.key.id)
        made = await provisioning.register(tx, owner, name="camera", own=IN_CONFIG)
        spare = await provisioning.new_install_token(tx, owner, made.device.id)
        proposed = new_key_text("adk")
        device = made.device.ref
        secrets |= {workspace_key.text, rolled.text, made.install_token.text, spare.text, proposed}
        await provisioning.enroll(tx, token=spare.text, device_key=proposed, told={"gpu": "x"})
    async with db.write() as tx:
        rotated = await provisioning.rotate_key(tx, owner, device.device_id)
        unspent = await provisioning.new_install_token(tx, owner, device.device_id)
        secrets |= {rotated.text, unspent.text}
        patch = {"streams": {"s": {"source": {"password": "Hush-Changed"}}}}
        secrets.add("Hush-Changed")
        await config.change(tx, owner, device, patch, if_match=None)
        await config.roll_back(tx, owner, device, 1, if_match=None)
        copied = await provisioning.register(tx, owner, name="copy", copy_of=made.device)
        secrets.add(copied.install_token.text)
        await commands.send(tx, owner, device, kind="ping", arguments={})
        shown = await streams.list_streams(tx, owner, device)
        assert "Hush" not in repr(shown)
    sender = Sender(device, rotated.key, rotated.text)
    report = sender.next(
        clock.now(),
        logs=[line(clock.now())],
        streams=[{"id": "s", "status": "running"}],
        config={"revision": 3, "state": "applied"},
    )
    await ingest.submit(report)
    await ingest.stop()
    async with db.write() as tx:
        gone = await provisioning.register(tx, owner, name="gone", own=IN_CONFIG)
        secrets.add(gone.install_token.text)
        given = await provisioning.enroll(
            tx, token=gone.install_token.text, device_key=None, told={}
        )
        secrets.add(given.device_key)
        await provisioning.retire(tx, owner, gone.device.id)
    for wrong in (proposed, spare.text):
        with pytest.raises(DomainError) as refusal:
            async with db.write() as tx:
                await provisioning.enroll(tx, token=wrong, device_key=None, told={})
        assert wrong not in str(refusal.value)
    return secrets


async def test_no_key_token_or_password_is_in_any_column_of_any_table(db, owner, clock):
    secrets = await run_all(db, owner, clock)
    assert len(secrets) > 12
    found = await everything_in(db)
    assert "camera" in found["devices"], "what is looked through is what was written"
    for table, text in found.items():
        there = {secret for secret in secrets for way in spellings(secret) if way in text}
        assert not there, (table, there)


@on_sqlite
async def test_nor_is_one_in_the_file_its_log_or_what_was_freed(db, owner, clock):
    secrets = await run_all(db, owner, clock)
    files = list(db.path.parent.glob(f"{db.path.name}*"))
    assert len(files) > 1, "the write-ahead log is one of them"
    for path in files:
        raw = path.read_bytes()
        assert not [secret for secret in secrets if secret.encode() in raw], path.name


@on_sqlite
async def test_what_is_sealed_reads_as_it_was_written(db, owner, clock):
    await run_all(db, owner, clock)
    async with db.read() as tx:
        found = await config.get_default(tx, owner)
    assert found.patch == IN_CONFIG

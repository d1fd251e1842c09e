"""Accounts through a restore, which begins anew, and a copy, which is a move."""

import pytest

from moorage.core import accounts
from moorage.core.accounts import NewSession, Role
from moorage.core.errors import DomainError
from moorage.server import load_settings
from moorage.server.backup import backup
from moorage.server.copying import copy
from moorage.server.opening import opened
from moorage.server.restore import restore
from support.accounts import People, cheap
from support.places import empty_place


@pytest.fixture
def place(engine, postgres, tmp_path):
    other = "postgresql" if engine == "sqlite" else "sqlite"
    with empty_place(other, tmp_path / "place", postgres, tmp_path / "keys") as made:
        yield made


@pytest.fixture
def settings(database_url, tmp_path):
    return load_settings(data=tmp_path / "data", database=database_url, keys_dir=tmp_path / "keys")


async def test_after_a_restore_all_sign_in_anew_with_what_they_have(settings, place, tmp_path):
    async with opened(settings) as (db, _):
        people = People(db, cheap())
        ada = await people.set_up()
        async with db.write() as tx:
            link = await accounts.invite(tx, ada.session.caller, "bob@example.com", Role.OWNER)
    await backup(settings, tmp_path / "file", passphrase=None)
    await restore(place, tmp_path / "file", passphrase=None)
    async with opened(place) as (db, _):
        people.db = db
        assert await people.find(ada) is None
        async with db.read() as tx:
            with pytest.raises(DomainError):
                await accounts.check_link(tx, link.text, link.link.kind)
        made = await people.sign_in()
        assert (made.session.account, made.session.role) == (ada.session.account, Role.OWNER)


async def test_a_copy_moves_sessions_and_second_factors(settings, place):
    async with opened(settings) as (db, _):
        people = People(db, cheap())
        ada = await people.set_up()
        phone, _ = await people.with_totp(ada)
    await copy(settings.database_url, place.database_url, told=lambda *_: None)
    async with opened(place) as (db, _):
        people.db = db
        assert (await people.find(ada)).account.has_totp
        step = await people.sign_in()
        async with db.read() as tx:
            code = phone.at(tx.now, counter_offset=1)
        assert isinstance(await people.finish(step, code), NewSession)

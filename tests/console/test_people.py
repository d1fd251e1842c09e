"""People of a workspace, and the pages of links that let somebody in."""

import re

from console.kit import HX, browser
from dialects.native_kit import on_sqlite
from moorage.core import accounts
from support.accounts import PASSWORD

PAGE = "/console/workspace/people"


def link_in(html: str) -> str:
    return re.search(r"http://moorage\.test/console/invitation#(mlnk_[0-9a-f]{64})", html)[1]


async def invited(console, email="bob@example.com", role="operator") -> str:
    answer = await console.owner.post(f"{PAGE}/invite", {"email": email, "role": role})
    assert answer.status_code == 200, answer.text
    return link_in(answer.text)


async def look(client, token: str) -> str:
    answer = await client.post("/console/invitation/look", data={"token": token}, headers=HX)
    assert answer.status_code == 200
    return answer.text


async def test_who_is_invited_makes_an_account_and_is_a_member(console):
    token = await invited(console)
    assert token not in await console.owner.page(PAGE), "a link is shown once"
    anyone = console.anyone
    assert token not in (await anyone.get("/console/invitation")).text
    shown = await look(anyone, token)
    assert "operator" in shown
    assert "bob@example.com" in shown
    form = {"token": token, "name": "Bob", "password": PASSWORD}
    made = await anyone.post("/console/invitation", data=form, headers=HX)
    assert made.headers["hx-redirect"] == "/console/devices"
    assert (await anyone.get("/console/devices")).status_code == 200
    assert (await anyone.get(PAGE)).status_code == 403, "an operator invites nobody"
    assert "bob@example.com" in await console.owner.page(PAGE)
    assert "good no longer" in await look(anyone, token)
    again = await anyone.post("/console/invitation", data=form, headers=HX)
    assert again.status_code == 401


async def test_who_has_an_account_signs_in_and_joins(console):
    made = await console.people.set_up("eve@example.com", "elsewhere")
    eve = browser(console.running, made)
    token = await invited(console, "eve@example.com", "viewer")
    assert "sign-in?next=" in await look(console.anyone, token)
    assert "signed in as operator@example.com" in await look(console.operator.client, token)
    refused = await console.operator.post("/console/account/accept", {"token": token})
    assert refused.status_code == 403
    assert made.session.csrf in await look(eve.client, token)
    joined = await eve.post("/console/account/accept", {"token": token})
    assert joined.headers["hx-redirect"] == "/console/devices"
    assert "viewer of acme" in await eve.page("/console/account")
    await eve.client.aclose()


@on_sqlite
async def test_an_invitation_that_is_taken_back_opens_nothing(console):
    token = await invited(console)
    page = await console.owner.page(PAGE)
    revoke = re.search(r'hx-post="([^"]+/revoke)"', page)[1]
    assert (await console.owner.post(revoke)).status_code == 200
    assert "good no longer" in await look(console.anyone, token)
    assert (await console.owner.post(revoke)).status_code == 404


@on_sqlite
async def test_a_role_is_changed_and_holds_at_once(console):
    viewer = console.viewer.account_id
    answer = await console.owner.post(f"{PAGE}/{viewer}/role", {"role": "owner"})
    assert answer.headers["hx-redirect"] == PAGE
    assert (await console.viewer.get(PAGE)).status_code == 200
    wrong = await console.owner.post(f"{PAGE}/{viewer}/role", {"role": "king"})
    assert "/role" in wrong.headers["hx-trigger"]


async def test_the_last_owner_can_neither_go_nor_step_down(console):
    me = console.owner.account_id
    for path, form in (("role", {"role": "viewer"}), ("remove", {})):
        answer = await console.owner.post(f"{PAGE}/{me}/{path}", form)
        assert answer.status_code == 409
        assert "at least one owner" in answer.text
    assert (await console.owner.get(PAGE)).status_code == 200


@on_sqlite
async def test_who_is_removed_is_out_at_once(console):
    answer = await console.owner.post(f"{PAGE}/{console.viewer.account_id}/remove")
    assert answer.headers["hx-redirect"] == PAGE
    assert (await console.viewer.get("/console/devices")).status_code == 303
    assert "viewer@example.com" not in await console.owner.page(PAGE)


@on_sqlite
async def test_people_are_shown_to_owners_only(console):
    for person in (console.operator, console.viewer):
        assert (await person.get(PAGE)).status_code == 403
        assert PAGE not in await person.page("/console/devices")
    assert PAGE in await console.owner.page("/console/devices")


async def test_a_new_password_is_set_by_a_link_from_the_servers_shell(console):
    async with console.running.db.write() as tx:
        link = await accounts.reset_link(tx, "ada@example.com")
    assert (await console.anyone.get("/console/password")).status_code == 200
    form = {"token": link.text, "password": "another and longer one"}
    done = await console.anyone.post("/console/password", data=form, headers=HX)
    assert done.headers["hx-redirect"] == "/console/sign-in?set=1"
    assert "new password is set" in (await console.anyone.get("/console/sign-in?set=1")).text
    assert (await console.owner.get("/console/devices")).status_code == 303
    again = await console.anyone.post("/console/password", data=form, headers=HX)
    assert again.status_code == 401

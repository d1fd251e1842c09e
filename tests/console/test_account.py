"""The own account: password, second factor, recovery codes, sessions."""

import re

import pyotp

from console.kit import browser
from dialects.native_kit import on_sqlite
from support.accounts import ELSEWHERE, PASSWORD

NEW = "another and longer one"


def secret_in(html: str) -> str:
    return re.search(r"<code>([A-Z2-7 ]{39})</code>", html)[1].replace(" ", "")


def codes_in(html: str) -> list[str]:
    return re.search(r'id="recovery-codes">([^<]+)<', html)[1].split()


async def sign_in(console, password=PASSWORD):
    form = {"email": "ada@example.com", "password": password}
    return await console.anyone.post("/console/sign-in", data=form)


async def step_of(answer) -> dict[str, str]:
    return {"step": re.search(r'name="step" value="(mlnk_\w+)"', answer.text)[1]}


async def test_a_second_factor_is_set_up_by_qr_code_and_asked_for_from_then_on(console):
    other = browser(console.running, await console.people.sign_in())
    shown = await console.owner.post("/console/account/second-factor", {"present": PASSWORD})
    assert 'src="data:image/svg+xml' in shown.text
    phone = pyotp.TOTP(secret_in(shown.text))
    wrong = await console.owner.post("/console/account/second-factor/confirm", {"code": "000000"})
    assert wrong.status_code == 422
    assert "/code" in wrong.headers["hx-trigger"]
    done = await console.owner.post("/console/account/second-factor/confirm", {"code": phone.now()})
    codes = codes_in(done.text)
    assert len(codes) == 10
    assert (await other.get("/console/account")).status_code == 303, "all others are signed out"
    page = await console.owner.page("/console/account")
    assert codes[0] not in page
    assert phone.secret not in page.replace(" ", "")
    asked = await sign_in(console)
    assert "set-cookie" not in asked.headers
    form = await step_of(asked)
    refused = await console.anyone.post("/console/sign-in/code", data={**form, "code": "000000"})
    assert refused.status_code == 403
    let_in = await console.anyone.post("/console/sign-in/code", data={**form, "code": codes[3]})
    assert let_in.headers["location"] == "/console/devices"
    assert "9 recovery codes are left" in await console.owner.page("/console/account")
    await other.client.aclose()


@on_sqlite
async def test_recovery_codes_are_renewed_and_the_factor_turned_off_with_the_password(console):
    _, codes = await console.people.with_totp(console.owner.made)
    refused = await console.owner.post("/console/account/recovery-codes", {"present": "not it"})
    assert refused.status_code == 422
    assert "/present" in refused.headers["hx-trigger"]
    fresh = codes_in(
        (await console.owner.post("/console/account/recovery-codes", {"present": PASSWORD})).text
    )
    assert not set(fresh) & set(codes)
    for present, status in (("", 422), (PASSWORD, 204)):
        answer = await console.owner.post(
            "/console/account/second-factor/remove", {"present": present}
        )
        assert answer.status_code == status
    assert (await sign_in(console)).status_code == 303


async def test_a_new_password_needs_the_present_one_and_signs_out_everywhere_else(console):
    other = browser(console.running, await console.people.sign_in())
    form = {"present": "not it", "password": NEW}
    assert (await console.owner.post("/console/account/password", form)).status_code == 422
    short = await console.owner.post(
        "/console/account/password", {"present": PASSWORD, "password": "short"}
    )
    assert "/password" in short.headers["hx-trigger"]
    assert (await other.get("/console/account")).status_code == 200
    done = await console.owner.post(
        "/console/account/password", {"present": PASSWORD, "password": NEW}
    )
    assert done.headers["hx-redirect"] == "/console/account"
    assert (await other.get("/console/account")).status_code == 303
    assert (await sign_in(console)).status_code == 403
    assert (await sign_in(console, NEW)).status_code == 303
    await other.client.aclose()


async def test_other_browsers_are_listed_and_signed_out_one_by_one_or_all(console):
    others = [browser(console.running, await console.people.sign_in()) for _ in range(3)]
    page = await console.owner.page("/console/account")
    assert page.count(ELSEWHERE.address) == 4
    assert page.count("this one") == 1
    ended = others[0].made.session.id
    assert f"/console/account/sessions/{ended}/end" in page
    await console.owner.post(f"/console/account/sessions/{ended}/end")
    assert [(await one.get("/console/account")).status_code for one in others] == [303, 200, 200]
    await console.owner.post("/console/account/sessions/end-others")
    assert [(await one.get("/console/account")).status_code for one in others] == [303] * 3
    assert (await console.owner.get("/console/account")).status_code == 200
    for one in others:
        await one.client.aclose()


@on_sqlite
async def test_nobody_ends_the_session_of_somebody_else(console):
    mine = console.owner.made.session.id
    answer = await console.viewer.post(f"/console/account/sessions/{mine}/end")
    assert answer.status_code == 404
    assert (await console.owner.get("/console/account")).status_code == 200


@on_sqlite
async def test_a_name_is_shown_as_it_is_and_never_run(console):
    name = "<b onclick=x()>Ada</b>"
    assert (await console.owner.post("/console/account/name", {"name": name})).status_code == 204
    for path in ("/console/account", "/console/workspace/people"):
        page = await console.owner.page(path)
        assert name not in page
        assert "&lt;b onclick=x()&gt;Ada" in page

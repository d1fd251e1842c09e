"""Signing in by a provider of identities: one of Authlib's server side, on loopback."""

import re
import time
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from joserfc.jwk import RSAKey

from console.kit import COOKIE, browser, console_of
from dialects.native_kit import on_sqlite
from moorage.core import accounts
from moorage.core.accounts import Role
from support.accounts import PASSWORD
from support.oidc import CLIENT_ID, CLIENT_SECRET, REDIRECT_URI, provider

BACK = "/console/sign-in/back"
SHOWN = {"present": PASSWORD}


@pytest.fixture
async def far():
    async with provider() as made:
        yield made


@pytest.fixture
def oidc() -> dict:
    """What a test wants otherwise."""
    return {}


@pytest.fixture
def more_settings(far, oidc):
    return {
        "oidc": {
            "issuer": far.issuer,
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "title": "Acme",
            "workspace": "acme",
            "allowed_domains": ["example.com"],
            "default_role": "viewer",
            **oidc,
        }
    }


@pytest.fixture
async def console(running):
    async with console_of(running) as found:
        yield found


async def there_and_back(client, start="/console/sign-in/outside?next=/console/account"):
    """Follow the browser to the provider; return the address it is sent back to."""
    sent = await client.get(start)
    assert sent.status_code == 303, sent.text
    return await at_the_provider(sent.headers["location"])


async def at_the_provider(address: str) -> str:
    async with httpx.AsyncClient(timeout=60) as outside:
        answer = await outside.get(address)
    assert answer.status_code == 302, answer.text
    assert answer.headers["location"].startswith(f"{REDIRECT_URI}?")
    return answer.headers["location"].removeprefix("http://moorage.test")


async def sign_in(console):
    return await console.anyone.get(await there_and_back(console.anyone))


async def member(console, email: str):
    async with console.running.db.read() as tx:
        found = await accounts.list_members(tx, console.owner.made.session.caller)
    return next((one for one in found if one.account.email == email), None)


async def test_whom_the_provider_vouches_for_comes_in_new_and_is_known_from_then_on(console, far):
    far.claims |= {"email": "Grace@Example.com", "name": "Grace H."}
    first = await sign_in(console)
    assert (first.status_code, first.headers["location"]) == (303, "/console/account")
    assert "HttpOnly" in first.headers["set-cookie"]
    page = await console.anyone.get("/console/account")
    assert "Grace H." in page.text
    assert "Connected" in page.text
    made = await member(console, "grace@example.com")
    assert (made.role, made.account.has_password) == (Role.VIEWER, False)
    console.anyone.cookies.clear()
    far.claims["email"] = "grace.hopper@example.com"  # known by the provider's name, not by this
    assert (await sign_in(console)).status_code == 303
    assert await member(console, "grace.hopper@example.com") is None


@on_sqlite
async def test_who_has_an_account_of_a_domain_the_provider_speaks_for_is_recognised(console, far):
    await sign_in(console)
    page = await console.anyone.get("/console/account")
    assert "owner of acme" in page.text, "it is Ada's account, with her role"


@on_sqlite
@pytest.mark.parametrize("oidc", [{"allowed_domains": []}])
async def test_without_such_a_domain_an_account_is_connected_by_its_owner_only(console, far):
    refused = await sign_in(console)
    assert refused.status_code == 403
    assert "sign in with its password" in refused.text
    begun = await console.owner.post("/console/account/outside", SHOWN)
    back = await at_the_provider(begun.headers["hx-redirect"])
    assert (await console.owner.get(back)).headers["location"] == "/console/account"
    assert (await sign_in(console)).status_code == 303
    assert "owner of acme" in (await console.anyone.get("/console/account")).text
    done = await console.owner.post("/console/account/outside/unlink", SHOWN)
    assert done.status_code == 204
    console.anyone.cookies.clear()
    assert (await sign_in(console)).status_code == 403


@pytest.mark.parametrize("present", [{}, {"present": "not it"}])
async def test_a_session_left_open_is_not_enough_to_connect_or_disconnect(console, far, present):
    refused = await console.owner.post("/console/account/outside", present)
    assert refused.status_code == 422
    assert "set-cookie" not in refused.headers
    await sign_in(console)
    refused = await console.owner.post("/console/account/outside/unlink", present)
    assert refused.status_code == 422
    page = await console.owner.page("/console/account")
    assert "Disconnect" in page
    assert page.count('name="present"') == 3


@on_sqlite
async def test_who_has_no_password_connects_without_one(console, far):
    far.claims["email"] = "grace@example.com"
    await sign_in(console)
    page = await console.anyone.get("/console/account")
    assert 'name="present"' not in page.text
    token = re.search(r'"X-CSRF-Token": "(\w+)"', page.text)[1]
    headers = {"X-CSRF-Token": token, "HX-Request": "true"}
    begun = await console.anyone.post("/console/account/outside", headers=headers)
    assert begun.headers["hx-redirect"].startswith(far.issuer)


@on_sqlite
async def test_a_connection_goes_to_whoever_began_it_in_this_browser(console, far):
    begun = await console.owner.post("/console/account/outside", SHOWN)
    back = await at_the_provider(begun.headers["hx-redirect"])
    stolen = await console.operator.get(back)
    assert stolen.status_code == 403
    console.operator.client.cookies.update(
        {"moorage_outside": console.owner.client.cookies["moorage_outside"]}
    )
    assert (await console.operator.get(back)).status_code == 401


@on_sqlite
@pytest.mark.parametrize(
    "claims",
    [
        {"email_verified": False, "email": "eve@example.com"},
        {"email": "eve@elsewhere.test"},
        {"email": "eve@example.com.elsewhere.test"},
        {"email": None},
    ],
)
async def test_whom_it_does_not_speak_for_is_not_let_in(console, far, claims):
    far.claims |= claims
    answer = await sign_in(console)
    assert answer.status_code in (401, 403)
    assert COOKIE not in answer.headers.get("set-cookie", "")
    assert await member(console, str(claims.get("email"))) is None


@on_sqlite
@pytest.mark.parametrize(
    "oidc",
    [
        {
            "role_claim": "groups",
            "roles": {"crew": "operator", "captains": "owner"},
            "default_role": None,
        }
    ],
)
async def test_roles_follow_a_claim_from_sign_in_to_sign_in(console, far):
    far.claims |= {"email": "grace@example.com"}
    assert (await sign_in(console)).status_code == 403, "no group, no way in"
    for groups, role in (
        (["crew", "captains"], Role.OWNER),
        (["crew"], Role.OPERATOR),
        ("captains", Role.OWNER),
    ):
        far.claims["groups"] = groups
        assert (await sign_in(console)).status_code == 303
        assert (await member(console, "grace@example.com")).role is role
    far.claims["groups"] = ["cooks"]
    assert (await sign_in(console)).status_code == 403


@on_sqlite
async def test_a_disabled_account_does_not_get_in_that_way_either(console, far):
    await sign_in(console)
    async with console.running.db.write() as tx:
        await accounts.set_disabled(tx, "ada@example.com", disabled=True, actor="system:test")
    assert (await sign_in(console)).status_code == 403


# --- what is forged


@on_sqlite
@pytest.mark.parametrize(
    "forged",
    [
        {"iss": "https://elsewhere.test"},
        {"aud": "another-client"},
        {"aud": [CLIENT_ID, "another"], "azp": "another"},
        {"nonce": "of another sign-in"},
        {"exp": 1},
        {"iat": 4_000_000_000},
        {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
        {"sub": ""},
    ],
)
async def test_an_id_token_that_does_not_hold_lets_nobody_in(console, far, forged):
    far.forged = forged
    answer = await sign_in(console)
    assert answer.status_code == 401
    assert COOKIE not in answer.headers.get("set-cookie", "")


@on_sqlite
async def test_a_token_of_a_key_that_the_provider_does_not_publish_lets_nobody_in(console, far):
    far.key = RSAKey.generate_key(2048, {"kid": "1", "use": "sig", "alg": "RS256"})
    assert (await sign_in(console)).status_code == 401
    assert far.asked.count("jwks") == 1, "nobody makes it ask for keys again and again"


@on_sqlite
@pytest.mark.parametrize(
    "key_set", [{"error": "no"}, {"keys": "none"}, {"keys": [1]}, {"keys": [{"kty": "none"}]}]
)
async def test_a_provider_whose_keys_are_none_cannot_be_used(console, far, key_set):
    far.key_set = key_set
    answer = await sign_in(console)
    assert answer.status_code == 503
    assert COOKIE not in answer.headers.get("set-cookie", "")


@on_sqlite
async def test_new_keys_of_the_provider_are_read(console, far, monkeypatch):
    assert (await sign_in(console)).status_code == 303
    far.key = far.published = RSAKey.generate_key(2048, {"kid": "2", "use": "sig", "alg": "RS256"})
    moment = time.monotonic() + 60
    monkeypatch.setattr("moorage.outbound.oidc.monotonic", lambda: moment)
    assert (await sign_in(console)).status_code == 303
    assert far.asked.count("configuration") == 1


@on_sqlite
async def test_an_answer_is_good_for_the_browser_that_asked_and_once(console, far, running):
    back = await there_and_back(console.anyone)
    stranger = browser(running, console.viewer.made)
    stranger.client.cookies.clear()
    assert (await stranger.get(back)).status_code == 403, "it never began"
    wrong = await console.anyone.get(back.replace("state=", "state=x"))
    assert wrong.status_code == 401
    assert "token" not in far.asked, "the code is not even tried"
    assert (await console.anyone.get(back)).status_code == 303
    assert (await console.anyone.get(back)).status_code == 403
    await stranger.client.aclose()


@on_sqlite
async def test_a_code_of_somebody_elses_sign_in_does_not_fit_ours(console, far, running):
    """PKCE: a code that was slipped in was asked for with another secret."""
    theirs = await there_and_back(console.anyone)
    code = parse_qs(urlsplit(theirs).query)["code"][0]
    ours = await console.anyone.get("/console/sign-in/outside")
    state = parse_qs(urlsplit(ours.headers["location"]).query)["state"][0]
    answer = await console.anyone.get(BACK, params={"code": code, "state": state})
    assert answer.status_code == 401
    assert far.asked.count("token") == 1


@on_sqlite
async def test_who_declines_at_the_provider_is_told_and_can_begin_anew(console, far):
    sent = await console.anyone.get("/console/sign-in/outside")
    state = parse_qs(urlsplit(sent.headers["location"]).query)["state"][0]
    params = {"error": "access_denied", "state": state}
    answer = await console.anyone.get(BACK, params=params)
    assert answer.status_code == 401
    assert "did not let you in" in answer.text
    assert 'href="/console/devices"' in answer.text


@on_sqlite
@pytest.mark.parametrize("oidc", [{"issuer": "http://127.0.0.1:9"}])
async def test_a_provider_that_does_not_answer_leaves_passwords_working(console):
    for _ in range(3):
        answer = await console.anyone.get("/console/sign-in/outside")
        assert answer.status_code == 503
    assert "a moment ago" in answer.text, "it is not asked again and again"
    assert "Sign in with Acme" in (await console.anyone.get("/console/sign-in")).text
    assert isinstance(await console.people.sign_in(), accounts.NewSession)

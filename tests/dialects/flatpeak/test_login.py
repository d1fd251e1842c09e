"""Logging in, and what the token that comes of it is good for."""

import base64
import hashlib
import hmac
import json
from datetime import timedelta

import httpx
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from dialects.flatpeak_kit import basic, denied, matches, refused
from dialects.native_kit import on_sqlite, problem_of
from moorage.core.caller import Caller
from moorage.core.errors import DomainError, Kind
from moorage.dialects.flatpeak.auth import of_basic, of_bearer
from moorage.dialects.flatpeak.tokens import Tokens
from moorage.server.keyring import open_keyring
from support.clock import FixedClock
from support.serving import serving


def decoded(part: str):
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def encoded(value) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def signed(header, claims, key: bytes, how=hashlib.sha256) -> str:
    """A token written by hand."""
    told = f"{encoded(header)}.{encoded(claims)}"
    return f"{told}.{encoded(hmac.new(key, told.encode(), how).digest())}"


HEADER = {"alg": "HS256", "typ": "JWT"}


@pytest.fixture
def signing_key(fp, tmp_path) -> bytes:
    return open_keyring(tmp_path / "keys", create=False).login_key


async def opens(fp, token: str) -> bool:
    """Whether the token is let in; if not, it is refused like every bad credential."""
    answer = await fp.ask("GET", "/devices", key=token)
    if answer.status_code == 200:
        return True
    denied(answer, "api.device_list")
    return False


async def test_a_token_opens_what_its_key_opens(fp):
    answer = await fp.log_in()
    assert answer.headers["cache-control"] == "no-store"
    token = matches(answer, "login")["bearer_token"]
    made = await fp.make("R-1", key=token)
    assert await fp.get(made["id"], key=token) == made == await fp.get(made["id"])
    assert (await fp.change(made["id"], "R-2", key=token)).status_code == 200
    gone = await fp.ask("DELETE", f"/devices/{made['id']}", key=token)
    assert gone.status_code == 202


@on_sqlite
async def test_a_token_says_whom_it_stands_for_and_until_when(fp, signing_key):
    own = await fp.new_key("device:read", "device:update")
    token = await fp.token(own["key"])
    header, claims, signature = token.split(".")
    now = int(fp.clock.now().timestamp())
    assert decoded(header) == HEADER
    assert decoded(claims) == {
        "account_id": fp.account_id,
        "live_mode": True,
        "sub": fp.account_id,
        "iss": "moorage",
        "iat": now,
        "nbf": now,
        "exp": now + 3600,
        "key_id": own["id"],
    }
    right = hmac.new(signing_key, f"{header}.{claims}".encode(), hashlib.sha256).digest()
    assert signature == encoded(right)


@on_sqlite
async def test_the_mode_is_the_keys(fp):
    assert (await fp.log_in(fp.key)).json()["live_mode"] is True
    assert (await fp.log_in(fp.test_key)).json()["live_mode"] is False


@on_sqlite
async def test_a_token_is_good_for_an_hour(fp):
    token = await fp.token()
    fp.clock.advance(seconds=3599)
    assert await opens(fp, token)
    fp.clock.advance(seconds=1)
    assert not await opens(fp, token)


async def test_a_key_that_is_revoked_or_disabled_ends_its_tokens_at_once(fp):
    own = await fp.new_key("device:read")
    token = await fp.token(own["key"])
    assert await opens(fp, token)
    for disabled in (True, False):
        path = f"/acme/api-keys/{own['id']}"
        await fp.ask("PATCH", path, json={"disabled": disabled})
        assert await opens(fp, token) is not disabled
        assert (await fp.log_in(own["key"])).status_code == (403 if disabled else 200)
    await fp.native("DELETE", f"/api-keys/{own['id']}")
    assert not await opens(fp, token)
    denied(await fp.log_in(own["key"]), "api.login")


@on_sqlite
async def test_a_key_that_is_rolled_ends_its_tokens(fp):
    own = await fp.new_key("device:read")
    token = await fp.token(own["key"])
    rolled = await fp.native("POST", f"/api-keys/{own['id']}/roll")
    assert not await opens(fp, token)
    assert await opens(fp, await fp.token(rolled["key"]))


@on_sqlite
async def test_a_token_may_what_its_key_may_now(fp):
    own = await fp.new_key("device:read")
    token = await fp.token(own["key"])
    refused(await fp.ask("POST", "/devices", key=token), 403, "access_denied")
    scopes = {"scopes": ["device:update"]}
    await fp.native("PATCH", f"/api-keys/{own['id']}", json=scopes)
    assert (await fp.ask("POST", "/devices", key=token)).status_code == 201
    refused(await fp.ask("GET", "/devices", key=token), 403, "access_denied")


@on_sqlite
async def test_a_token_opens_nothing_outside_this_api(fp):
    token = await fp.token()
    made = await fp.make()
    for method, path in (
        ("GET", "/v1/devices"),
        ("GET", f"/v1/devices/{made['id']}"),
        ("POST", "/v1/devices"),
        ("POST", "/v1/reports"),
        ("GET", "/v1/config"),
        ("GET", "/v1/api-keys"),
    ):
        problem_of(await fp.ask(method, path, key=token, json={"name": "a"}), 401, "key_invalid")
    for path in ("/acme/devices/v2", "/acme/api-keys", "/acme"):
        as_bearer = await fp.ask("GET", path, key=token)
        in_query = await fp.ask("GET", path, key=None, params={"api_key": token})
        assert (as_bearer.status_code, in_query.status_code) == (401, 401)


@on_sqlite
async def test_a_devices_key_logs_in_nowhere_and_is_no_bearer_here(fp):
    device_key = await fp.enroll((await fp.make())["id"])
    for answer in (
        await fp.log_in(device_key),
        await fp.ask("GET", "/devices", key=device_key),
        await fp.ask("POST", "/devices", key=device_key),
    ):
        assert "device's key" in refused(answer, 403, "access_denied", live=None)["message"]


@on_sqlite
async def test_account_and_key_must_belong_together(fp):
    denied(await fp.log_in(fp.key, fp.foreign_id), "api.login")
    denied(await fp.log_in(fp.foreign_key), "api.login")
    denied(await fp.log_in(fp.key, "acme"), "api.login")
    denied(await fp.log_in(fp.key, "acc_" + "0" * 24), "api.login")
    answer = await fp.log_in(fp.foreign_key, fp.foreign_id)
    assert answer.status_code == 200


@on_sqlite
async def test_only_basic_credentials_that_are_whole_log_in(fp):
    good = basic(fp.account_id, fp.key)["Authorization"]
    pair = good.split()[1]
    token = await fp.token()
    for text in (
        None,
        "",
        "Basic",
        "Basic ",
        f"Bearer {fp.key}",
        f"Bearer {token}",
        f"Token {pair}",
        pair,
        good[:-8],
        f"{good}A",
        f"{good} x",
        "Basic !!!!",
        "Basic " + base64.b64encode(b"\xff\xfe:\xff").decode(),
        "Basic " + base64.b64encode(fp.key.encode()).decode(),
        "Basic " + base64.b64encode(f"{fp.key}:{fp.account_id}".encode()).decode(),
        "Basic " + base64.b64encode(f"{fp.account_id}:{fp.key}:".encode()).decode(),
        "Basic " + base64.b64encode(f":{fp.key}".encode()).decode(),
        "Basic " + "A" * 100_000,
        *basic(fp.account_id, "").values(),
        *basic(fp.account_id, token).values(),
    ):
        headers = {} if text is None else {"Authorization": text}
        denied(await fp.client.get("/login", headers=headers), "api.login")
    for scheme in ("basic", "BASIC"):
        answer = await fp.client.get("/login", headers={"Authorization": f"{scheme} {pair}"})
        assert answer.status_code == 200


@on_sqlite
async def test_basic_credentials_open_nothing_but_the_login(fp):
    headers = basic(fp.account_id, fp.key)
    for method in ("GET", "POST"):
        denied(await fp.client.request(method, "/devices", headers=headers))


@on_sqlite
async def test_a_token_that_was_tampered_with_opens_nothing(fp, signing_key):
    token = await fp.token()
    header, claims, signature = token.split(".")
    told = decoded(claims)
    later = {**told, "exp": told["exp"] + 1}
    other = {**told, "account_id": fp.foreign_id, "sub": fp.foreign_id}
    tampered = [
        f"{header}.{encoded(later)}.{signature}",
        f"{header}.{encoded(other)}.{signature}",
        f"{header}.{claims}.",
        f"{header}.{claims}",
        f"{header}..{signature}",
        f".{claims}.{signature}",
        f"{header}.{claims}.{signature[:-4]}",
        f"{header}.{claims}.{signature}.{signature}",
        f"{token}.",
        "...",
        "ä.ö.ü",
        encoded({"alg": "none"}) + f".{claims}.",
        encoded({"alg": "none", "typ": "JWT"}) + f".{claims}.{signature}",
        signed({**HEADER, "alg": "HS512"}, told, signing_key, hashlib.sha512),
        signed({**HEADER, "alg": "none"}, told, signing_key),
        signed({**HEADER, "alg": "RS256"}, told, signing_key),
        signed({**HEADER, "crit": ["x"], "x": 1}, told, signing_key),
        signed(HEADER, told, b""),
        signed(HEADER, told, b"0" * 32),
        encoded(b"[" * 720) + ".e30.e30",
        encoded(b"\xff") + f".{claims}.{signature}",
        "a" * 5000 + "." + claims + "." + signature,
    ]
    for text in tampered:
        answer = await fp.client.get(
            "/devices", headers={"Authorization": b"Bearer " + text.encode()}
        )
        denied(answer, "api.device_list")
    assert await opens(fp, signed(HEADER, told, signing_key)), "what is tampered with was right"


@given(text=st.text(st.characters(codec="latin-1")) | st.text("eyJ.-_", max_size=40))
@settings(max_examples=200, derandomize=True, database=None, deadline=None)
def test_any_text_at_all_is_refused_and_never_a_fault(text):
    now = FixedClock().now()
    tokens = Tokens(b"0" * 32)
    pair = base64.b64encode(text.encode()).decode()
    for told in (text, f"Bearer {text}", f"Bearer a.{text}", f"Basic {text}", f"Basic {pair}"):
        for read in (lambda one: of_bearer(one, tokens, now), of_basic):
            with pytest.raises(DomainError) as refusal:
                read(told)
            assert refusal.value.kind is Kind.UNAUTHENTICATED


@on_sqlite
async def test_a_token_of_ours_that_says_something_else_opens_nothing(fp, signing_key):
    told = decoded((await fp.token()).split(".")[1])
    wrong = [
        {name: value for name, value in told.items() if name != missing}
        for missing in ("account_id", "key_id", "live_mode", "iss", "nbf", "exp")
    ]
    wrong += [
        {**told, "iss": "another"},
        {**told, "live_mode": False},
        {**told, "live_mode": 1},
        {**told, "account_id": fp.foreign_id},
        {**told, "account_id": 7},
        {**told, "key_id": "key_" + "0" * 24},
        {**told, "exp": str(told["exp"])},
        {**told, "exp": None},
        {**told, "exp": told["nbf"]},
        {**told, "nbf": told["nbf"] + 61},
    ]
    for claims in wrong:
        assert not await opens(fp, signed(HEADER, claims, signing_key)), claims
    assert not await opens(fp, signed(HEADER, [told], signing_key))


@on_sqlite
async def test_a_devices_key_behind_a_token_opens_nothing(fp, signing_key):
    made = await fp.make()
    await fp.enroll(made["id"])
    async with fp.db.read() as tx:
        wanted = sa.text("SELECT id FROM keys WHERE device_id = :id")
        row = await tx.row(wanted.bindparams(id=made["id"]))
    caller = Caller(fp.account_id, live=True, actor="", key_id=row.id)
    assert not await opens(fp, Tokens(signing_key).issue(caller, fp.clock.now()))


async def test_servers_of_one_database_take_each_others_tokens(fp, database_url, tmp_path):
    behind = FixedClock(fp.clock.now() - timedelta(seconds=45))
    async with serving(database_url, behind, tmp_path) as other:
        token = await fp.token()
        answer = await other.client.get("/devices", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 200
        pair = basic(other.account_id, other.key)
        theirs = (await other.client.get("/login", headers=pair)).json()["bearer_token"]
        assert await opens(fp, theirs)


@on_sqlite
async def test_a_token_of_another_installation_opens_nothing(fp, clock, tmp_path):
    folder = tmp_path / "another"
    folder.mkdir()
    async with serving(f"sqlite:///{folder}/moorage.db", clock, folder) as other:
        pair = basic(other.account_id, other.key)
        token = (await other.client.get("/login", headers=pair)).json()["bearer_token"]
    assert not await opens(fp, token)


def test_the_signing_key_tells_nothing_of_the_key_it_comes_from(tmp_path):
    keyring = open_keyring(tmp_path / "keys", create=True)
    again = open_keyring(tmp_path / "keys", create=True)
    assert len(keyring.login_key) == 32
    assert keyring.login_key == again.login_key
    assert keyring.login_key != keyring.encryption
    other = open_keyring(tmp_path / "others", create=True)
    assert other.login_key != keyring.login_key


@on_sqlite
async def test_who_logs_in_may_ask_for_the_version_that_is_served_and_no_other(fp):
    for version, status in (("2025-09-14.anode", 200), ("2024-01-01.cathode", 422)):
        headers = {**basic(fp.account_id, fp.key), "Flatpeak-Version": version}
        answer = await fp.client.get("/login", headers=headers)
        assert answer.status_code == status
    refused(answer, 422, "api_version_not_supported", context="api.login")
    bad = {**basic(fp.account_id, "garbage"), "Flatpeak-Version": "2024-01-01.cathode"}
    denied(await fp.client.get("/login", headers=bad), "api.login")


@on_sqlite
async def test_what_a_token_opens_is_said_in_its_mode(fp):
    token = await fp.token(fp.test_key)
    answer: httpx.Response = await fp.ask("GET", "/devices?limit=0", key=token)
    refused(answer, 422, "parameter_invalid", context="api.device_list", live=False)

"""What one key may ask in a minute."""

import json

import pytest

from dialects.flatpeak_kit import Flatpeak, denied, matches, refused
from dialects.native_kit import call_raw, on_sqlite
from support.serving import serving

pytestmark = on_sqlite


@pytest.fixture
async def fp(database_url, clock, tmp_path):
    """A server that lets a key ask three times a minute."""
    limits = {"rate_limits": "on", "requests_per_minute": 3}
    async with serving(database_url, clock, tmp_path, **limits) as found:
        yield Flatpeak(found)


async def test_a_key_that_asks_too_often_is_told_when_to_come_back(fp):
    for _ in range(3):
        await fp.page()
    answer = await fp.ask("GET", "/devices")
    matches(answer, "error-limited", 429)
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    assert await fp.ids(key=fp.test_key) == []


async def test_logging_in_counts_and_another_key_may_still(fp):
    for _ in range(3):
        await fp.token()
    refused(await fp.log_in(), 429, "too_many_requests", context="api.login")
    assert (await fp.log_in(fp.test_key)).status_code == 200


async def test_all_tokens_of_a_key_are_counted_together(fp):
    tokens = [await fp.token() for _ in range(3)]
    for token in tokens:
        await fp.page(key=token)
    for token in tokens:
        answer = await fp.ask("GET", "/devices", key=token)
        refused(answer, 429, "too_many_requests", context="api.device_list")


async def test_who_is_refused_for_its_key_or_its_haste_is_so_before_its_body_is_read(fp):
    for _ in range(3):
        await fp.page()
    for credential, status in ((fp.key, 429), ("garbage", 403), ("a.b.c", 403)):
        answer = await call_raw(
            fp.app,
            "POST",
            "/devices",
            headers={"Authorization": f"Bearer {credential}", "Content-Length": "200000"},
            chunks=[b"a" * 1000] * 200,
        )
        assert (answer.status, answer.chunks_read) == (status, 0)
        assert json.loads(answer.body)["context"] == "api.device_create"


async def test_garbage_and_unknown_addresses_are_not_counted(fp):
    for _ in range(10):
        denied(await fp.ask("GET", "/devices", key="garbage"))
        refused(await fp.ask("GET", "/customers"), 404)
    await fp.page()

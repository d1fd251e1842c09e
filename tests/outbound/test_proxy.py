"""The way into environments: our key goes in, theirs does not; bounded in bytes and time."""

import asyncio
import json

import pytest

from moorage.core.environments import Access
from moorage.core.errors import DomainError, Kind
from moorage.outbound import PortainerProxy
from moorage.outbound.proxy import AnswerCutOff
from outbound.conftest import setup_for
from support.portainer import SECRET_VALUE, Fault


@pytest.fixture
async def opened(fake):
    """Make proxies with bounds of a test's own."""
    fake.add("moorage-x")
    made = []

    def make(**bounds) -> PortainerProxy:
        made.append(PortainerProxy(setup_for(fake), **bounds))
        return made[-1]

    yield make
    for proxy in made:
        await proxy.aclose()


async def read(answer) -> bytes:
    return b"".join([part async for part in answer.chunks])


async def refused_by(asked) -> DomainError:
    with pytest.raises(DomainError) as refused:
        await asked
    assert refused.value.kind is Kind.UNAVAILABLE
    return refused.value


async def test_a_call_is_forwarded_and_its_answer_comes_back(fake, opened):
    answer = await opened().stream(1, "GET", "v1.44/info", query="a=1&b=%20x&c=")
    assert answer.status == 404, "the fake knows no versions"
    answer = await opened().stream(1, "GET", "info", query="a=1&b=%20x&c=")
    assert json.loads(await read(answer)) == {"asked": {"a": ["1"], "b": [" x"], "c": [""]}}
    assert fake.seen[0].path == "/api/endpoints/1/docker/v1.44/info"


async def test_of_what_a_client_sends_only_what_the_engine_needs_goes_on(fake, opened):
    headers = {
        "Authorization": "Bearer sk_live_x",
        "Cookie": "session=1",
        "X-API-KEY": "ptr_of_the_client",
        "x-api-key": "ptr_again",
        "Host": "elsewhere",
        "Connection": "upgrade",
        "Upgrade": "tcp",
        "Transfer-Encoding": "chunked",
        "X-PortainerAgent-Target": "node",
        "X-Forwarded-For": "10.0.0.1",
        "Content-Type": "application/json",
        "X-Registry-Auth": "e30=",
        "Accept": "a\r\nX-Evil: 1",
    }
    answer = await opened().stream(
        1, "POST", "containers/c1/stop", query="token=jwt&t=5", body=b"{}", headers=headers
    )
    assert (answer.status, await read(answer)) == (204, b"")
    (seen,) = fake.seen
    assert seen.body == b"{}"
    assert seen.query == {"t": ["5"]}
    names = [name for name, _ in seen.headers]
    assert len(names) == len(set(names))
    assert set(names) == {
        *("host", "x-api-key", "content-type", "content-length", "x-registry-auth"),
        *("accept", "accept-encoding", "connection", "user-agent"),
    }
    assert seen.header("x-api-key") == fake.api_key
    assert seen.header("host") == f"127.0.0.1:{fake.port}"
    assert seen.header("connection") == "keep-alive"
    assert "Evil" not in str(seen.headers)


async def test_of_what_comes_back_only_what_a_client_may_see_goes_on(fake, opened):
    answer = await opened().stream(1, "GET", "containers/c1/logs")
    assert dict(answer.headers) == {
        "content-type": "application/vnd.docker.raw-stream",
        "x-content-type-options": "nosniff",
        "content-security-policy": "default-src 'none'; sandbox",
    }
    assert await read(answer) == b"line 0\nline 1\nline 2\n"


async def test_no_answer_holds_a_value_of_an_environment_variable(opened):
    for path in ("containers/c1/json", "images/team/camera:1/json"):
        answer = await opened().stream(1, "GET", path)
        body = await read(answer)
        assert answer.headers["content-length"] == str(len(body))
        assert SECRET_VALUE.encode() not in body
        config = json.loads(body)["Config"]
        assert config["Env"] == ["PASSWORD", "EMPTY", "PLAIN"]
        assert config["Labels"] == {"com.example": "kept"}


async def test_what_cannot_be_cut_down_is_not_shown(fake, opened):
    for fault in (Fault.GARBAGE, Fault.PACKED, Fault.HUGE):
        fake.faults.append(fault)
        await refused_by(opened().stream(1, "GET", "containers/c1/json"))


async def test_paths_are_checked_here_as_well(fake, opened):
    for path in ("../../users", "containers/%2e%2e/json", "", "/info"):
        with pytest.raises(DomainError) as refused:
            await opened().stream(1, "GET", path)
        assert refused.value.kind is Kind.INVALID
    with pytest.raises(DomainError):
        await opened().stream(1, "CONNECT", "info")
    assert fake.seen == []


async def test_a_query_is_bounded(opened):
    for query in ("a=" + "x" * 4096, "&".join(["a=1"] * 51)):
        with pytest.raises(DomainError) as refused:
            await opened().stream(1, "GET", "info", query=query)
        assert refused.value.kind is Kind.INVALID


async def test_redirects_are_not_followed_nor_shown(fake, opened):
    fake.faults.append(Fault.REDIRECT)
    await refused_by(opened().stream(1, "GET", "info"))
    assert len(fake.seen) == 1


async def test_nothing_changed_is_an_answer_and_no_redirect(opened):
    answer = await opened().stream(1, "POST", "containers/c1/start")
    assert (answer.status, await read(answer)) == (304, b"")


@pytest.mark.parametrize("fault", [Fault.UNAUTHORIZED, Fault.FORBIDDEN])
async def test_a_refusal_of_our_key_is_not_passed_off_as_one_of_the_clients(fake, opened, fault):
    fake.faults.append(fault)
    error = await refused_by(opened().stream(1, "GET", "info"))
    assert fake.api_key not in error.detail


async def test_portainer_away_slow_or_breaking_off_is_said_so(fake, opened):
    fake.faults.append(Fault.DROP)
    await refused_by(opened().stream(1, "GET", "info"))
    fake.faults.append(Fault.SLOW)
    error = await refused_by(opened(whole_s=0.2).stream(1, "GET", "info"))
    assert "in time" in error.detail
    await fake.down()
    await refused_by(opened().stream(1, "GET", "info"))


async def test_an_answer_longer_than_its_bound_is_cut_off_for_all_to_see(fake, opened):
    known = opened(limit_bytes=1000)
    fake.faults.append(Fault.HUGE)
    await refused_by(known.stream(1, "GET", "info"))
    fake.endless = True
    answer = await known.stream(1, "GET", "containers/json")
    with pytest.raises(AnswerCutOff):
        await read(answer)


async def test_an_endless_answer_takes_memory_for_one_piece_at_a_time(fake, opened):
    fake.endless = True
    answer = await opened(limit_bytes=64 * 1024 * 1024).stream(1, "GET", "containers/json")
    sizes = []

    async def measure() -> None:
        async for part in answer.chunks:
            sizes.append(len(part))  # noqa: PERF401 - kept also when it is cut off

    with pytest.raises(AnswerCutOff):
        await measure()
    assert 1024 * 1024 < sum(sizes) <= 64 * 1024 * 1024
    assert max(sizes) <= 1024 * 1024


async def test_what_is_followed_ends_quietly_with_its_time(opened):
    proxy = opened(followed_s=0.3)
    answer = await proxy.stream(1, "GET", "containers/c1/logs", query="follow=1")
    assert await read(answer) == b"line 0\nline 1\nline 2\n"


async def test_what_is_followed_ends_when_the_server_is_to_stop(opened):
    proxy = opened()
    answer = await proxy.stream(1, "GET", "containers/c1/logs", query="follow=1")
    reading = asyncio.create_task(read(answer))
    await asyncio.sleep(0.05)
    assert not reading.done()
    proxy.end_followed()
    assert await asyncio.wait_for(reading, 5) == b"line 0\nline 1\nline 2\n"


async def test_a_client_that_goes_away_lets_go_of_the_connection(fake, opened):
    proxy = opened()
    answer = await proxy.stream(1, "GET", "containers/c1/logs", query="follow=1")
    async for _ in answer.chunks:
        break
    await answer.aclose()
    never_read = await opened(followed_s=0.1).stream(
        1, "GET", "containers/c1/logs", query="follow=1"
    )
    for _ in range(100):
        if never_read._response.is_closed:
            break
        await asyncio.sleep(0.02)
    assert answer._response.is_closed
    assert never_read._response.is_closed


async def test_more_calls_than_connections_wait_and_none_is_left_behind(fake, opened):
    proxy = opened()
    for _ in range(3):
        answers = await asyncio.gather(*(proxy.stream(1, "GET", "info") for _ in range(60)))
        for answer in answers:
            await read(answer)
    assert not proxy._client._transport._pool.connections or all(
        one.is_idle() for one in proxy._client._transport._pool.connections
    )


async def test_what_reads_and_what_manages_is_told_here(fake):
    proxy = PortainerProxy(setup_for(fake))
    assert proxy.classify("GET", proxy.check_path("containers/json")) is Access.READ
    assert proxy.classify("POST", "containers/create") is Access.MANAGE

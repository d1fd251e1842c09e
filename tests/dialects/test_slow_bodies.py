"""A sender that takes for ever is not waited for for ever."""

import asyncio

import pytest

from moorage.dialects.common import body as bodies


@pytest.mark.parametrize("first", [[], [b"{"]], ids=["nothing arrives", "it trickles"])
async def test_a_body_that_does_not_arrive_is_given_up(monkeypatch, first):
    monkeypatch.setattr(bodies, "_SLOWEST_S", 0.05)
    arriving = list(first)

    async def receive():
        if arriving:
            return {"type": "http.request", "body": arriving.pop(), "more_body": True}
        await asyncio.sleep(3600)
        raise AssertionError("nobody waits for so long")

    async with asyncio.timeout(10):
        with pytest.raises(bodies.DomainError) as refused:
            await bodies.read_body(None, receive, 100)
    assert refused.value.code == "body_too_slow"

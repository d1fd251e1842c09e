"""A request that is given up in the middle of a statement leaves its connection whole."""

import asyncio
import threading
from typing import Any

import pytest
import sqlalchemy as sa

from moorage.storage import SQLiteDatabase


async def test_a_read_that_is_given_up_holds_its_connection_until_the_thread_is_done(tmp_path):
    db = SQLiteDatabase(tmp_path / "moorage.db")
    begun, let_go, ended = threading.Event(), threading.Event(), threading.Event()

    class Slow(sa.TypeDecorator[int]):
        impl = sa.Integer
        cache_ok = True

        def process_result_value(self, value: Any, dialect: Any) -> Any:  # noqa: ARG002
            begun.set()
            assert let_go.wait(10)
            ended.set()
            return value

    async def read() -> None:
        try:
            async with db.read() as tx:
                await tx.rows(sa.select(sa.type_coerce(sa.literal(1), Slow)))
        finally:
            assert ended.is_set(), "the connection was given back in the middle of a statement"

    reading = asyncio.create_task(read())
    assert await asyncio.to_thread(begun.wait, 10)
    reading.cancel()
    asyncio.get_running_loop().call_later(0.05, let_go.set)
    with pytest.raises(asyncio.CancelledError):
        await reading
    await db.close()

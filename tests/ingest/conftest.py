"""Ingest on a real database, and a device that reports to it."""

from collections.abc import AsyncIterator

import pytest

from moorage.ingest import Ingest, Retention
from support.senders import Sender, enrolled


@pytest.fixture
async def ingest(db) -> AsyncIterator[Ingest]:
    running = Ingest(db, retention=Retention())
    running.start()
    yield running
    await running.stop()


@pytest.fixture
async def device(db, owner) -> Sender:
    return await enrolled(db, owner)

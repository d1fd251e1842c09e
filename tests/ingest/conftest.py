"""Ingest on a real database, and a device that reports to it."""

from collections.abc import AsyncIterator

import pytest
import structlog

from moorage.ingest import Ingest, Retention
from support.senders import Sender, enrolled


@pytest.fixture(autouse=True)
def logged():
    """What would go to the log; unset, structlog paints each traceback for seconds."""
    with structlog.testing.capture_logs() as lines:
        yield lines


@pytest.fixture
async def ingest(db) -> AsyncIterator[Ingest]:
    running = Ingest(db, retention=Retention())
    running.start()
    yield running
    await running.stop()


@pytest.fixture
async def device(db, owner) -> Sender:
    return await enrolled(db, owner)

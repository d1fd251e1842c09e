"""A running server and its owner."""

from collections.abc import Iterator

import pytest

from e2e.fleet import Fleet


@pytest.fixture
def fleet(tmp_path) -> Iterator[Fleet]:
    made = Fleet(tmp_path)
    yield made
    made.server.stop()

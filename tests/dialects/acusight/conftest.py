import pytest

from dialects.acusight_kit import Acusight


@pytest.fixture
def api(running) -> Acusight:
    return Acusight(running)

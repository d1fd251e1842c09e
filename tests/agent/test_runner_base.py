"""What every stream does, whatever it is made of."""

import threading

import pytest

from moorage_agent.runner_base import Over, Pauses, RunnerError, Stream, Unusable
from support.streams import Heard


@pytest.mark.parametrize("trouble", [Over, Unusable, RunnerError])
def test_a_stream_ends_also_when_it_is_told_so_as_its_last_wait_is_over(trouble):
    """Its wait between two looks takes note of the end; then the second look fails."""
    resting, told = threading.Event(), threading.Event()

    class Unlucky(Stream):
        def work(self):
            resting.set()
            assert told.wait(10)
            self.rest(60)
            raise trouble("the camera is gone")

    stream = Unlucky("cam", {}, Heard(), Pauses(60, 60))
    stream.begin(None)
    assert resting.wait(10)
    stream.end()
    told.set()
    assert stream.join(10)
    assert stream.status() == "stopped"

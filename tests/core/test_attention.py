"""Who needs somebody: each reason alone, and what a device that is away says no more."""

from datetime import UTC, datetime, timedelta

import pytest

from moorage.core.attention import Cause, rules
from moorage.core.config import Applied, Astray
from moorage.core.devices import Amiss, Approval, Status

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
FAILED = Astray(Applied.FAILED, 3, 3, "no")
BEHIND = Astray(Applied.PENDING, 4, 3, None)


def causes(status=Status.ONLINE, *, made=timedelta(days=9), clone=False, approval="approved", **of):
    device = Amiss("dev_1", "gate", status, clone, Approval(approval), NOW - made)
    known = {"streams": (), "services": (), "config": None, **of}
    need = rules.need_of(device, now=NOW, **known)
    return None if need is None else list(need.causes)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({}, None),
        ({"status": Status.OFFLINE}, [Cause.OFFLINE]),
        ({"status": Status.LATE}, [Cause.LATE]),
        ({"clone": True}, [Cause.CLONE_SUSPECTED]),
        ({"config": FAILED}, [Cause.CONFIG_FAILED]),
        ({"config": BEHIND}, [Cause.CONFIG_BEHIND]),
        ({"streams": ["door"]}, [Cause.STREAM_FAILED]),
        ({"services": ["web"]}, [Cause.SERVICE_FAILED]),
        ({"status": Status.NEVER_SEEN}, [Cause.NEVER_SEEN]),
        ({"status": Status.NEVER_SEEN, "made": timedelta(hours=23)}, None),
        (
            {"status": Status.NEVER_SEEN, "approval": "pending"},
            [Cause.PENDING_APPROVAL],
        ),
        # An owner decided so.
        ({"status": Status.NEVER_SEEN, "approval": "rejected"}, None),
    ],
)
def test_each_reason_is_told(given, found):
    assert causes(**given) == found


def test_what_a_device_that_is_away_said_last_is_no_reason_any_more():
    for known in ({"config": FAILED}, {"config": BEHIND}, {"streams": ["s"]}, {"services": ["s"]}):
        assert causes(Status.OFFLINE, **known) == [Cause.OFFLINE]


def test_the_most_pressing_reason_comes_first():
    assert causes(Status.LATE, config=FAILED, clone=True, streams=["s"]) == [
        Cause.CLONE_SUSPECTED,
        Cause.CONFIG_FAILED,
        Cause.STREAM_FAILED,
        Cause.LATE,
    ]

"""What is asked of a device through either client: pictures of streams, plans of its config."""

import httpx
import pytest

from dialects.native_kit import JPEG
from moorage import sdk
from sdk.wire import Refuse, Wire


@pytest.fixture
def device(fleet):
    """A device's id, and what it sends with its own key."""
    made = fleet.call(lambda c: c.devices.create("runs"))
    body = {"install_token": made.install_token}
    enrolled = httpx.post(f"{fleet.url}/v1/enroll", json=body).json()
    key = {"Authorization": f"Bearer {enrolled['device_key']}"}
    with httpx.Client(base_url=fleet.url, headers=key) as client:
        yield made.id, client


def test_a_picture_is_asked_for_brought_and_read_as_bytes(fleet, device):
    id_, box = device
    sent = fleet.call(lambda c: c.streams.act(id_, "cam 1", "snapshot"))
    assert (sent.kind, sent.arguments) == ("snapshot", {"stream_id": "cam 1"})
    with pytest.raises(sdk.NotFound):
        fleet.call(lambda c: c.streams.snapshot(id_, "cam 1"))
    brought = box.put(f"/v1/commands/{sent.id}/snapshot", content=JPEG)
    assert brought.status_code == 204, brought.text
    got = fleet.call(lambda c: c.streams.snapshot(id_, "cam 1"))
    assert type(got) is bytes
    assert got == JPEG


@pytest.mark.parametrize("kind", ["text/html", "application/json", ""])
def test_what_is_no_picture_is_not_taken_for_one(fleet, kind):
    with Wire(fleet.url) as wire:
        wire.plan.append(Refuse(200, {"Content-Type": kind}, b"{}"))
        fleet.url = wire.url
        with pytest.raises(sdk.UnexpectedAnswer, match="image/jpeg"):
            fleet.call(lambda c: c.streams.snapshot("dev_" + "0" * 24, "s"))


def test_a_plan_reaches_the_device_and_changes_nothing(fleet, device):
    id_, box = device
    before = fleet.call(lambda c: c.config.get(id_))
    sent = fleet.call(lambda c: c.config.plan(id_, {"services": {"web": {"image": "nginx:1"}}}))
    assert (sent.kind, sent.state, sent.arguments) == ("plan", "queued", {})
    (got,) = box.get("/v1/commands").json()["commands"]
    assert got["id"] == sent.id
    assert got["arguments"]["document"]["services"] == {"web": {"image": "nginx:1"}}
    assert fleet.call(lambda c: c.config.get(id_)) == before
    with pytest.raises(sdk.Invalid):
        fleet.call(lambda c: c.config.plan(id_, {"services": []}))

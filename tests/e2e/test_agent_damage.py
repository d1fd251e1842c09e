"""A device whose disk damaged the agent's store, as its owner sees it on a real server."""

import random

import pytest

from e2e.fleet import until
from moorage_agent.clock import Instant
from moorage_agent.store import Store

pytestmark = pytest.mark.timeout(180)

PAGE = 4096


def test_a_damaged_store_costs_no_visit_and_the_owner_is_told(fleet):
    agent, device_id = fleet.agent()
    assert agent.command("run", "--once").returncode == 0
    store = Store(str(agent.folder), boot_id="an earlier boot")
    row = {"message": "x" * 900, "service": "s", "severity": "info"}
    store.add(("logs", Instant(1_700_000_000.0, 50.0), row) for _ in range(2000))
    store.close()
    file = agent.folder / "agent.db"
    pages = file.stat().st_size // PAGE
    with file.open("r+b") as damaged:
        damaged.seek(pages // 4 * PAGE)
        damaged.write(random.Random(7).randbytes(pages // 2 * PAGE))
    before = [row["epoch"] for row in fleet.rows(device_id, "reports")]
    agent.start()

    def told():
        events = fleet.rows(device_id, "events")
        return [event for event in events if event["event"] == "agent.store_damaged"]

    (event,) = until(told, "the owner is told")
    assert (event["metadata"]["lost"], event["entity_type"]) == ("unknown", "device")
    assert (agent.folder / event["metadata"]["kept_as"]).is_file()
    after = until(
        lambda: {row["epoch"] for row in fleet.rows(device_id, "reports")} - set(before),
        "reports in a new epoch",
    )
    assert after
    assert agent.stop() == 0
    assert fleet.device(device_id)["clone_suspected_at"] is None
    assert agent.command("run", "--once").returncode == 0

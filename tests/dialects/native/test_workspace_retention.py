"""How long a workspace keeps what: its owner's choice, within what the administrator allows."""

from datetime import UTC, datetime, timedelta

import pytest

from dialects.native_kit import on_sqlite, pointers_of, problem_of
from moorage.ingest import Kept, Retention
from moorage.server import load_settings
from moorage.server.jobs import Jobs
from support.devices import rfc3339

PATH = "/v1/workspaces/acme"
DEFAULT = {"telemetry_days": 14, "logs_days": 7, "events_days": 90, "audit_days": 365}


@pytest.fixture
def more_settings():
    return {"retention": {"most": {"logs_days": 30}}}


async def choose(api, key=None, **days):
    return await api.client.patch(PATH, json={"retention": days}, headers=api.auth(key))


async def test_an_owner_chooses_and_takes_it_back(api):
    before = await api.read(PATH)
    assert (before["retention"], before["retention_own"]) == (DEFAULT, [])
    changed = (await choose(api, logs_days=30, telemetry_days=2.5)).json()
    assert changed["retention"] == {**DEFAULT, "logs_days": 30, "telemetry_days": 2.5}
    assert changed["retention_own"] == ["logs_days", "telemetry_days"]
    back = (await choose(api, logs_days=None)).json()
    assert (back["retention"]["logs_days"], back["retention_own"]) == (7, ["telemetry_days"])
    assert await api.read(PATH) == back
    told = await api.read("/v1/audit", action="workspace.changed")
    assert told["data"][-1]["details"] == {"retention": {"logs_days": 30, "telemetry_days": 2.5}}


@on_sqlite
@pytest.mark.parametrize(
    ("days", "pointer"),
    [
        ({"logs_days": 31}, "/retention/logs_days"),
        ({"logs_days": 0.5}, "/retention/logs_days"),
        ({"telemetry_days": 15}, "/retention/telemetry_days"),
        ({"audit_days": 89}, "/retention/audit_days"),
        ({"made_up_days": 3}, "/retention/made_up_days"),
        ({"logs_days": -1}, "/retention/logs_days"),
    ],
)
async def test_what_the_administrator_does_not_allow_is_refused_by_name(api, days, pointer):
    document = problem_of(await choose(api, **days), 422, "invalid")
    assert pointers_of(document) == [pointer]
    assert (await api.read(PATH))["retention_own"] == []


@on_sqlite
async def test_only_an_owner_chooses(api):
    narrow = await api.key("device:read", "device:update")
    problem_of(await choose(api, narrow["key"], logs_days=3), 403, "missing_scope")


async def test_what_is_older_than_the_workspace_keeps_it_is_kept_out(api):
    assert (await choose(api, logs_days=2)).status_code == 200
    device = await api.enroll()
    kept = Kept(Retention())
    jobs = Jobs(api.running.db, kept, None, load_settings().retention.bounds())
    await jobs.learn()
    (own,) = kept.by_workspace().values()
    assert own == Retention(logs=timedelta(days=2))
    api.running.app.kept.choose(kept.by_workspace())  # as every server does within half a minute
    at = datetime.now(UTC) - timedelta(days=3)
    line = {"at": rfc3339(at), "service": "s", "severity": "info", "message": "m"}
    answer = await api.report(device, telemetry=[{"at": rfc3339(at)}], logs=[line])
    assert answer.status_code == 200
    assert [note.split(" kept out")[0] for note in answer.json()["notes"]] == ["1 of logs"]


def test_bounds_that_were_tightened_hold_for_what_was_chosen_before():
    bounds = load_settings(retention={"logs_days": 7, "least": {"logs_days": 3}}).retention.bounds()
    assert [bounds["logs_days"].of(days) for days in (None, 1, 5, 30)] == [7, 3, 5, 7]
    assert bounds["telemetry_days"].most == 14


def test_what_holds_for_everybody_is_always_within_the_bounds():
    found = load_settings(retention={"audit_days": 10, "most": {"logs_days": 1}}).retention.bounds()
    assert (found["audit_days"].least, found["logs_days"].most) == (10, 7)

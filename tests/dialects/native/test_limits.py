"""What one key may ask in a minute."""

import httpx
import pytest

from dialects.native_kit import on_sqlite, problem_of, report_of
from moorage.core import keys, workspaces
from moorage.server import create_app, load_settings


@pytest.fixture
async def limited(database_url, tmp_path):
    """A client of a server that lets a key ask three times a minute, and two keys."""
    settings = load_settings(data=tmp_path / "data", database=database_url, requests_per_minute=3)
    app = create_app(settings)
    async with app.running() as services:
        async with services.db.write() as tx:
            workspace = await workspaces.ensure(tx, "acme")
            pair = await keys.issue_pair(tx, workspace.id, "system:test")
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://m") as client:
            yield client, [{"Authorization": f"Bearer {one.text}"} for one in pair]


@on_sqlite
async def test_a_key_that_asks_too_often_is_told_when_to_come_back(limited):
    client, (first, second) = limited
    for _ in range(3):
        assert (await client.get("/v1/devices", headers=first)).status_code == 200
    refused = await client.get("/v1/devices", headers=first)
    problem_of(refused, 429, "rate_limited")
    wait = int(refused.headers["retry-after"])
    assert 1 <= wait <= 60
    assert refused.headers["ratelimit-policy"] == '"key";q=3;w=60'
    assert refused.headers["ratelimit"] == f'"key";r=0;t={wait}'
    assert (await client.get("/v1/devices", headers=second)).status_code == 200


@on_sqlite
async def test_reports_are_never_counted(limited):
    client, (owner, _) = limited
    made = (await client.post("/v1/devices", json={"name": "a"}, headers=owner)).json()
    told = await client.post("/v1/enroll", json={"install_token": made["install_token"]})
    device = {"Authorization": f"Bearer {told.json()['device_key']}"}
    for number in range(1, 11):
        report = report_of(sequence=number)
        assert (await client.post("/v1/reports", json=report, headers=device)).status_code == 200

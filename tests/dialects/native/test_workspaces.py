"""Workspaces: made by whoever runs the server, renamed by their owners."""

import pytest

from dialects.native_kit import Api, on_sqlite, pointers_of, problem_of
from moorage.core import keys, workspaces


@pytest.fixture
async def admin(api) -> str:
    async with api.running.db.write() as tx:
        home = await workspaces.ensure_admin(tx)
        return (await keys.issue_admin(tx, home.id)).text


async def make(api: Api, admin: str, **body):
    return await api.client.post("/v1/workspaces", json=body, headers=api.auth(admin))


async def test_a_workspace_comes_with_keys_that_work_in_it_alone(api, admin):
    made = (await make(api, admin, slug="harbour", features=["deviceAio"])).json()
    assert (made["slug"], made["name"], made["features"]) == ("harbour", "harbour", ["deviceAio"])
    device = await api.make("theirs", key=made["api_key"])
    tested = await api.make("tested", key=made["test_api_key"])
    assert (device["live_mode"], tested["live_mode"]) == (True, False)
    assert (await api.read("/v1/devices"))["data"] == []


async def test_the_administration_sees_all_workspaces_and_no_device(api, admin):
    await api.make()
    for slug in ("b", "a", "c"):
        await make(api, admin, slug=slug)
    seen, cursor = [], {}
    for _ in range(10):
        page = await api.read("/v1/workspaces", key=admin, limit=3, **cursor)
        seen += [one["slug"] for one in page["data"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert seen == ["a", "acme", "b", "c"]
    answer = await api.client.get("/v1/devices", headers=api.auth(admin))
    problem_of(answer, 403, "missing_scope")


async def test_an_owner_sees_and_renames_its_own_and_makes_none(api, admin):
    await make(api, admin, slug="harbour")
    assert [one["slug"] for one in (await api.read("/v1/workspaces"))["data"]] == ["acme"]
    problem_of(await make(api, api.running.live_key, slug="more"), 403, "administration_only")
    for slug in ("harbour", "admin", "nobody"):
        answer = await api.client.get(f"/v1/workspaces/{slug}", headers=api.auth())
        problem_of(answer, 404, "not_found")
    path = "/v1/workspaces/acme"
    renamed = await api.client.patch(path, json={"name": "Acme Ltd"}, headers=api.auth())
    assert renamed.json()["name"] == "Acme Ltd"
    refused = await api.client.patch(path, json={"features": ["deviceAio"]}, headers=api.auth())
    problem_of(refused, 403, "administration_only")
    given = await api.client.patch(path, json={"features": ["deviceAio"]}, headers=api.auth(admin))
    assert given.json()["features"] == ["deviceAio"]


@on_sqlite
@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"slug": "v1"}, "/slug"),
        ({"slug": "admin"}, "/slug"),
        ({"slug": "Upper"}, "/slug"),
        ({"slug": "x", "name": "a\nb"}, "/name"),
        ({"slug": "x", "features": ["none"]}, "/features"),
        ({}, "/slug"),
    ],
)
async def test_a_workspace_that_cannot_be_made_is_refused(api, admin, body, pointer):
    document = problem_of(await make(api, admin, **body), 422, "invalid")
    assert pointers_of(document) == [pointer]


async def test_a_taken_slug_is_a_conflict(api, admin):
    problem_of(await make(api, admin, slug="acme"), 409, "slug_taken")

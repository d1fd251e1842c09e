"""Lists come in pages that inserts in between do not move."""

import base64
import itertools
import json
from datetime import UTC, datetime, timedelta

import pytest

from dialects.native_kit import on_sqlite, pointers_of, problem_of


async def walk(api, path: str, limit: int, between=None, **params) -> list[dict]:
    """All rows, page by page; ``between`` runs after each page."""
    rows: list[dict] = []
    cursor = {}
    for _ in range(100):
        page = await api.read(path, limit=limit, **params, **cursor)
        assert len(page["data"]) <= limit
        rows += page["data"]
        if page["next_cursor"] is None:
            return rows
        cursor = {"cursor": page["next_cursor"]}
        if between is not None:
            await between()
    raise AssertionError("the list has no end")


@pytest.mark.parametrize("sort", ["-created_at", "name", "last_heartbeat"])
async def test_devices_added_while_paging_move_nothing(api, sort):
    ids = [(await api.make(f"camera {at % 3}"))["id"] for at in range(7)]

    async def between() -> None:
        await api.make("camera 1")

    rows = [one["id"] for one in await walk(api, "/v1/devices", 2, between, sort=sort)]
    assert len(rows) == len(set(rows)), "none twice"
    assert set(ids) <= set(rows), "none left out"


async def test_keys_added_while_paging_move_nothing(api):
    ids = [(await api.key())["id"] for _ in range(5)]
    rows = [one["id"] for one in await walk(api, "/v1/api-keys", 2, api.key)]
    assert len(rows) == len(set(rows))
    assert set(ids) <= set(rows)


@pytest.mark.parametrize("part", ["logs", "events", "telemetry"])
async def test_rows_of_one_instant_are_paged_without_loss_or_repeat(api, part):
    device = await api.enroll()
    at = (datetime.now(UTC) - timedelta(minutes=1)).isoformat()
    entries = {
        "logs": [
            {"at": at, "service": "s", "severity": "info", "message": f"{n}"} for n in range(9)
        ],
        "events": [{"id": f"{n}", "at": at, "event": "counted"} for n in range(9)],
        "telemetry": [{"at": at, "cpu_percent": n} for n in range(9)],
    }
    answer = await api.report(device, **{part: entries[part]})
    assert answer.status_code == 200, answer.text
    numbers = iter(range(2, 100))

    async def between() -> None:
        later = {"at": datetime.now(UTC).isoformat()}
        more = {**entries[part][0], **later}
        await api.report(device, sequence=next(numbers), **{part: [more]})

    member = {"logs": "message", "events": "id", "telemetry": "cpu_percent"}[part]
    rows = await walk(api, f"/v1/devices/{device.device_id}/{part}", 2, between)
    found = [one[member] for one in rows if one.get("event", "counted") == "counted"]
    assert sorted(map(float, found)) == list(range(9)), "what came later is on the first page only"


@pytest.mark.parametrize("path", ["/v1/devices", "/v1/api-keys"])
@on_sqlite
async def test_a_page_holds_1_to_500_rows(api, path):
    for limit in ("0", "-1", "501", "x", "1e2", "", "9" * 400):
        answer = await api.client.get(path, params={"limit": limit}, headers=api.auth())
        assert pointers_of(problem_of(answer, 422)) == ["/limit"], limit
    for limit in ("1", "500"):
        await api.read(path, limit=limit)


def cursor_of(*parts) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


GARBAGE = {
    "words": "garbage",
    "dots": "....",
    "umlaut": "ä",
    "plus": "a+b/",
    "no list": base64.urlsafe_b64encode(b"{}").decode(),
    "deep": base64.urlsafe_b64encode(b"[" * 20_000).decode(),
    "empty list": cursor_of(),
    "of another list": cursor_of("a", "b", "c"),
    "number": cursor_of(1),
    "huge": cursor_of(2**70, "dev_1"),
    "huge pair": cursor_of(2**70, 2**70),
    "bool": cursor_of(True, True),
    "list": cursor_of([], {}),
    "nul": cursor_of("a\x00b"),
    "nul pair": cursor_of("a\x00b", "a\x00b"),
    "half": cursor_of("\ud800"),
    "float": cursor_of(1.5, 2.5),
    "infinite": base64.urlsafe_b64encode(b"[1e999,1e999]").decode(),
    "digits": base64.urlsafe_b64encode(b"[" + b"9" * 5000 + b"]").decode(),
}


async def test_a_cursor_that_is_none_of_the_list_is_refused(api):
    device = await api.enroll()
    history = f"/v1/devices/{device.device_id}"
    lists = [
        *("/v1/devices", "/v1/devices?sort=name", "/v1/devices?sort=last_heartbeat"),
        *("/v1/api-keys", f"{history}/logs", f"{history}/events", f"{history}/telemetry"),
    ]
    for path in lists:
        for name, cursor in GARBAGE.items():
            params = {"cursor": cursor, **_query(path)}
            answer = await api.client.get(path, params=params, headers=api.auth())
            assert pointers_of(problem_of(answer, 422)) == ["/cursor"], (path, name)


def _query(path: str) -> dict[str, str]:
    _, _, query = path.partition("?")
    return dict(part.split("=") for part in query.split("&") if part)


async def test_a_cursor_of_nulls_is_refused_or_read_but_never_a_fault(api):
    device = await api.enroll()
    for path in ("/v1/devices", "/v1/api-keys", f"/v1/devices/{device.device_id}/logs"):
        for cursor in (cursor_of(None), cursor_of(None, None)):
            answer = await api.client.get(path, params={"cursor": cursor}, headers=api.auth())
            assert answer.status_code in (200, 422), (path, answer.text)


async def test_filters_narrow_and_counts_count_what_they_leave(api):
    await api.make("Front Door", tags=["a", "b"], type="camera")
    await api.make("back door", tags=["a"])
    online = await api.enroll(await api.make("100% _sure", reference="ref-1"))
    await api.report(online)

    async def found(**params) -> list[str]:
        return [
            one["name"] for one in (await api.read("/v1/devices", sort="name", **params))["data"]
        ]

    assert await found(q="DOOR") == ["Front Door", "back door"]
    assert await found(q="100%") == ["100% _sure"]
    assert await found(q="%") == ["100% _sure"]
    assert await found(q="ref-1") == ["100% _sure"]
    assert await found(tag=["a", "b"]) == ["Front Door"]
    assert await found(type="camera") == ["Front Door"]
    assert await found(status="online") == ["100% _sure"]
    assert await found(status=["online", "never_seen"], tag="a") == ["Front Door", "back door"]
    assert await found(live_mode="false") == []
    counts = (await api.read("/v1/devices", include="counts", status="online"))["counts"]
    assert (counts["online"], counts["never_seen"]) == (1, 2)
    assert "counts" not in await api.read("/v1/devices")


@on_sqlite
async def test_a_window_takes_its_start_and_leaves_its_end(api):
    device = await api.enroll()
    minute = datetime.now(UTC).replace(second=0, microsecond=0)
    ats = [minute - timedelta(minutes=n) for n in range(1, 5)]
    await api.report(device, telemetry=[{"at": at.isoformat()} for at in ats])
    read = await api.read(
        f"/v1/devices/{device.device_id}/telemetry",
        start_time=ats[2].isoformat(),
        end_time=ats[0].isoformat(),
    )
    assert [datetime.fromisoformat(one["at"]) for one in read["data"]] == [ats[1], ats[2]]


EDGES = ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "1970-01-01T00:00:00Z", "1e10"]


async def test_windows_at_the_ends_of_time_are_no_fault(api):
    device = await api.enroll()
    await api.report(device, telemetry=[{"at": datetime.now(UTC).isoformat(), "cpu_percent": 1}])
    path = f"/v1/devices/{device.device_id}/telemetry"
    for edge, bucket in itertools.product(EDGES, ({}, {"bucket_s": 1}, {"bucket_s": 86_400})):
        for params in ({"start_time": edge}, {"end_time": edge}):
            answer = await api.client.get(path, params={**params, **bucket}, headers=api.auth())
            assert answer.status_code in (200, 422), (params, answer.text)
    naive = await api.client.get(
        path, params={"start_time": "2026-11-21T10:00:00"}, headers=api.auth()
    )
    problem_of(naive, 422)

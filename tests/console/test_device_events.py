"""The tab Events: what happened to a device, in one line of time."""

import html
import re

import pytest

from dialects.native_kit import on_sqlite
from support.devices import rfc3339


def names(page: str) -> list[str]:
    return re.findall(r'<code class="timeline-name">([^<]*)</code>', page)


def linked(page: str, title: str) -> str | None:
    found = re.search(rf'<a class="btn btn-sm" href="([^"]+)"[^>]*>(?:<svg.*?</svg>)?{title}', page)
    return found and html.unescape(found[1])


@pytest.fixture
async def device(api):
    return await api.enroll()


async def told(api, device, sequence: int, *events: str, **parts) -> None:
    at = rfc3339()
    made = [{"id": f"{sequence}-{n}", "at": at, "event": e} for n, e in enumerate(events)]
    answer = await api.report(device, sequence=sequence, sent_at=at, events=made, **parts)
    assert answer.status_code == 200, answer.text


async def test_what_the_device_told_and_what_we_saw_is_one_line_of_time(console, api, device):
    await told(api, device, 1, "agent.started", dropped={"logs": 3})
    sent = await api.client.post(
        f"/v1/devices/{device.device_id}/commands", json={"kind": "ping"}, headers=api.auth()
    )
    page = await console.viewer.page(f"/console/devices/{device.device_id}/events")
    found = names(page)
    assert found[0] == "command.queued"
    assert {"agent.started", "reports.dropped", "device.enrolled", "device.created"} < set(found)
    assert f"/commands?command={sent.json()['id']}" in page


async def test_kinds_narrow_the_timeline(console, api, device):
    await told(api, device, 1, "agent.started", "agentless.thing", "stream.lost")
    path = f"/console/devices/{device.device_id}/events"
    assert names(await console.owner.page(f"{path}?kind=agent")) == ["agent.started"]
    both = names(await console.owner.page(f"{path}?kind=agent&kind=stream"))
    assert sorted(both) == ["agent.started", "stream.lost"]
    assert names(await console.owner.page(f"{path}?event=stream.lost")) == ["stream.lost"]
    assert "No such event" in await console.owner.page(f"{path}?kind=service")


async def test_pages_go_back_and_forth_without_losing_an_event(console, api, device):
    await told(api, device, 1, *(f"agent.step{number}" for number in range(120)))
    path = f"/console/devices/{device.device_id}/events?kind=agent"
    pages = [await console.owner.page(path)]
    while (to := linked(pages[-1], "Next")) and len(pages) < 10:
        pages.append(await console.owner.page(to))
    found = [name for page in pages for name in names(page)]
    assert sorted(found) == sorted(f"agent.step{number}" for number in range(120))
    back = await console.owner.page(linked(pages[2], "Previous"))
    assert names(back) == names(pages[1])
    first = await console.owner.page(linked(back, "Previous"))
    assert names(first) == names(pages[0])
    assert "live=yes" in first, "the first page goes on by itself"
    assert "live=yes" not in back


@on_sqlite
async def test_a_filter_that_makes_no_sense_is_refused(console, device):
    path = f"/console/devices/{device.device_id}/events"
    assert (await console.owner.get(f"{path}?kind=weather")).status_code == 422
    assert (await console.owner.get(f"{path}?before=nothing")).status_code in (400, 422)

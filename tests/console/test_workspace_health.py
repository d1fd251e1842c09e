"""The page of health: the fleet's for everybody, the server's for owners."""

import html
import re
from types import SimpleNamespace

from console.kit import filled
from dialects.native_kit import on_sqlite
from moorage import __version__
from moorage.console.queries import workspace_health as queries
from moorage.storage.growth import Forecast
from moorage.storage.sizes import Limits, Size
from support.devices import rfc3339

PAGE = "/console/workspace/health"
GIB = 1024**3


def watch(per_day: float | None = None, full_in: float | None = None, **limits):
    """A watch that has measured 1 GiB, with a forecast."""
    forecast = Forecast(0 if per_day is None else 9, per_day, full_in)
    return SimpleNamespace(size=Size(GIB, None, None), limits=Limits(**limits), forecast=forecast)


async def test_versions_of_the_agent_are_counted_over_the_fleet(console, api):
    for number, version in enumerate(("1.2.0", "1.2.0", "0.9", None)):
        device = await api.enroll(await api.make(f"d{number}"))
        facts = {} if version is None else {"agent_version": version}
        answer = await api.report(device, sent_at=rfc3339(), facts=facts)
        assert answer.status_code == 200, answer.text
    shown = (await console.viewer.page(PAGE)).split("Versions of the agent</h2>")[1]
    rows = re.findall(r"<tr><td>(.*?)</td><td>(\d+)</td>", shown)
    told = {re.sub(r"<[^>]+>", "", words): int(count) for words, count in rows}
    assert told == {"1.2.0": 2, "0.9": 1, "not told yet": 1}


async def test_owners_see_the_server_and_the_rate_of_reports_since(console, api):
    shown = await console.owner.page(PAGE)
    assert "measuring" in shown
    assert f"Moorage {__version__}" in shown
    assert "data-disk=" in shown
    device = await api.enroll()
    await api.report(device, sent_at=rfc3339())
    again = html.unescape(re.search(r'id="server" hx-get="([^"]+)"', shown)[1])
    later = await console.owner.page(again, fragment=True)
    rate = float(re.search(r"Coming in</dt><dd>([\d.]+) ", later)[1])
    assert rate >= 0
    assert "Never." in later


@on_sqlite
async def test_a_rate_is_not_made_up_from_another_processs_count(console):
    for query in ("of=1&was=0&at=0", "of=x&was=-1&at=1e9", "was=" + "9" * 400, ""):
        shown = await console.owner.page(f"{PAGE}/server?{query}", fragment=True)
        assert "measuring" in shown, query


@on_sqlite
async def test_the_server_is_shown_to_owners_only(console):
    for person in (console.operator, console.viewer):
        shown = await person.page(PAGE)
        assert 'id="server"' not in shown
        assert (await person.get(filled(f"{PAGE}/server"))).status_code == 403


def test_the_outlook_says_when_it_is_full_and_what_to_do():
    day = 10 * 1024**2
    told = [
        queries._disk(watch(**fields), full=full)
        for fields, full in (
            ({"per_day": day, "full_in": 400.0, "budget_bytes": 10 * GIB}, False),
            ({"per_day": day, "full_in": 4.2, "budget_bytes": 2 * GIB}, False),
            ({"per_day": day, "full_in": 0.0, "budget_bytes": GIB}, True),
            ({"budget_bytes": 10 * GIB}, False),
            ({"per_day": day}, False),
            ({"per_day": -day, "budget_bytes": 10 * GIB}, False),
        )
    ]
    assert [one.state for one in told] == ["ok", "soon", "full", "unknown", "ok", "ok"]
    assert "Full in 400 days" in told[0].words
    assert "Full in 4 days" in told[1].words
    assert "keep rows for fewer days" in told[1].words
    assert "refused" in told[2].words
    assert "after 3 days" in told[3].words
    assert "storage.budget_bytes" in told[4].words
    assert (told[0].growth, told[5].growth) == ("10.0 MiB a day", "-10.0 MiB a day")

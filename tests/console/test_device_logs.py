"""The tab Logs: what a device wrote, read both ways, narrowed down, followed, linked to."""

import html
import re
from datetime import UTC, datetime, timedelta

import pytest

from console.kit import HX
from dialects.native_kit import on_sqlite
from support.devices import rfc3339

LINE = re.compile(r'<span class="log-message">(.*?)</span>\n</li>', re.DOTALL)


# What stands beside a message, and the tags in it.
BESIDE = re.compile(r'<span class="log-late">[^<]*</span>|<summary>more</summary>|<[^>]+>')


def messages(page: str) -> list[str]:
    return [html.unescape(BESIDE.sub("", one)).strip() for one in LINE.findall(page)]


def ends(page: str) -> dict[str, str]:
    found = re.search(r"<li hidden data-log-ends([^>]*)>", page)[1]
    return {name: html.unescape(at) for name, at in re.findall(r'data-(\w+)="([^"]+)"', found)}


class Source:
    """A device that writes lines."""

    def __init__(self, api, device) -> None:
        self.api, self.device, self.sequence = api, device, 0
        self.at = datetime.now(UTC) - timedelta(seconds=30)
        self.path = f"/console/devices/{device.device_id}/logs"

    async def write(self, *texts: str, service="camera", severity="info", **parts) -> None:
        lines = []
        for text in texts:
            self.at += timedelta(milliseconds=10)
            line = {"service": service, "severity": severity, "message": text}
            lines.append({"at": rfc3339(self.at), **line})
        self.sequence += 1
        answer = await self.api.report(
            self.device, sequence=self.sequence, sent_at=rfc3339(), logs=lines, **parts
        )
        assert answer.status_code == 200, answer.text


@pytest.fixture
async def source(api):
    return Source(api, await api.enroll())


async def test_the_last_lines_are_shown_and_older_ones_a_page_before(console, source):
    await source.write(*(f"line {number}" for number in range(450)))
    last = await console.owner.page(source.path)
    assert messages(last) == [f"line {number}" for number in range(250, 450)]
    assert "follow" in ends(last)
    assert "newer" not in ends(last)
    older = await console.owner.page(ends(last)["older"], fragment=True)
    assert messages(older) == [f"line {number}" for number in range(50, 250)]
    first = await console.owner.page(ends(older)["older"], fragment=True)
    assert messages(first) == [f"line {number}" for number in range(50)]
    assert "older" not in ends(first)
    newer = await console.owner.page(ends(first)["newer"], fragment=True)
    assert messages(newer) == messages(older)


async def test_what_comes_in_is_read_on_from_where_the_page_was(console, source):
    await source.write("before")
    follow = ends(await console.owner.page(source.path))["follow"]
    assert "after" not in messages(await console.owner.page(follow, fragment=True))
    await source.write("after", "after that")
    page = await console.owner.page(follow, fragment=True)
    assert messages(page)[-2:] == ["after", "after that"]
    await source.write("last")
    assert messages(await console.owner.page(ends(page)["follow"], fragment=True))[-1] == "last"


async def test_lines_are_narrowed_by_service_severity_and_text(console, source):
    await source.write("frame 100% lost", "frame 1000 kept", severity="warning")
    await source.write("Frame 100% LOST", service="probe", severity="error")
    await source.write("probe is well", service="probe")

    async def found(query: str) -> list[str]:
        return messages(await console.owner.page(f"{source.path}?{query}"))

    assert await found("service=probe") == ["Frame 100% LOST", "probe is well"]
    assert await found("severity=warning&severity=error&service=probe") == ["Frame 100% LOST"]
    assert await found("q=100%25+lost") == ["frame 100% lost", "Frame 100% LOST"]
    assert await found("q=nothing+like+it") == []
    follow = ends(await console.owner.page(f"{source.path}?q=again"))["follow"]
    await source.write("other", "once again")
    assert messages(await console.owner.page(follow, fragment=True)) == ["once again"]


async def test_a_text_that_is_rare_is_found_far_back_a_stretch_at_a_time(
    console, source, monkeypatch
):
    monkeypatch.setattr("moorage.core.timeline._LOOKED_THROUGH", 40)
    await source.write("needle", *(f"hay {number}" for number in range(100)))
    page = await console.owner.page(f"{source.path}?q=needle")
    tries = 0
    while not messages(page) and tries < 10:
        page, tries = await console.owner.page(ends(page)["older"], fragment=True), tries + 1
    assert (messages(page), tries) == (["needle"], 2)


async def test_a_line_has_a_link_that_opens_the_log_around_it(console, source):
    await source.write(*(f"line {number}" for number in range(500)))
    older = await console.owner.page(ends(await console.owner.page(source.path))["older"])
    links = re.findall(r'class="log-time" href="([^"]+)"', older)
    around = await console.owner.page(html.unescape(links[100]))
    assert messages(around) == [f"line {number}" for number in range(100, 301)]
    marked = re.findall(r'log-marked".*?log-message">([^<]+)<', around, re.DOTALL)
    assert marked == ["line 200"], "two hundredth: the page begins with line 100"
    assert {"older", "newer"} == set(ends(around))
    gone = html.unescape(links[100]) + "&severity=critical"
    assert "The line of this link is not here" in await console.owner.page(gone)


async def test_lines_that_were_lost_leave_a_mark_where_they_are_missing(console, source):
    await source.write("before")
    await source.write(dropped={"logs": 1234, "telemetry": 5})
    source.at = datetime.now(UTC)
    await source.write("after")
    page = await console.owner.page(source.path)
    assert "1,234 log lines lost before this" in page
    assert page.index("before</span>") < page.index("1,234") < page.index("after</span>")


@on_sqlite
async def test_what_was_searched_for_is_marked_and_nothing_else_becomes_markup(console, source):
    await source.write("<b>x</b> & İstanbul <B>")
    page = await console.owner.page(f"{source.path}?q=%3Cb%3E")
    assert "<mark>&lt;b&gt;</mark>x&lt;/b&gt; &amp; İstanbul <mark>&lt;B&gt;</mark>" in page


@on_sqlite
async def test_a_long_line_is_cut_until_it_is_opened_and_a_late_one_says_so(console, source):
    source.at -= timedelta(minutes=29)
    await source.write("x" * 5000, "so is this one")
    page = await console.owner.page(source.path)
    assert messages(page) == ["x" * 5000, "so is this one"]
    assert "<details" in page
    assert page.count("came 29 min later") + page.count("came 30 min later") == 1


@on_sqlite
async def test_times_narrow_the_log_and_end_following(console, source):
    source.at -= timedelta(minutes=29)
    await source.write("old")
    source.at = datetime.now(UTC)
    await source.write("new")
    assert messages(await console.owner.page(f"{source.path}?span=15m")) == ["new"]
    until = (datetime.now(UTC) - timedelta(minutes=10)).strftime("%Y-%m-%dT%H:%M")
    page = await console.owner.page(f"{source.path}?span=between&to={until}")
    assert messages(page) == ["old"]
    assert "follow" not in ends(page)


@on_sqlite
@pytest.mark.parametrize(
    "query",
    ["severity=loud", "span=ever", "span=between&from=noon", "q=" + "x" * 201, "line=nothing"],
)
async def test_what_makes_no_sense_is_refused_in_words(console, source, query):
    answer = await console.owner.get(f"{source.path}?{query}")
    assert answer.status_code in (400, 422)
    part = await console.owner.client.get(f"{source.path}/new?since=x", headers=HX)
    assert part.status_code == 422


@on_sqlite
async def test_the_commands_quote_what_a_device_made_up(console, source):
    await source.write("x", service="$(reboot)'")
    page = await console.owner.page(f"{source.path}?service=%24(reboot)'")
    copied = [html.unescape(one) for one in re.findall(r'data-copy="([^"]*)"', page)]
    (cli,) = [one for one in copied if one.startswith("moorage device logs")]
    assert cli.endswith("""--service '$(reboot)'"'"''""")


@on_sqlite
@pytest.mark.parametrize("since", ["9" * 5_000, str(2**63), "-1", "one"])
async def test_a_row_that_cannot_be_is_refused(console, api, since):
    made = await api.make("gate")
    answer = await console.owner.get(f"/console/devices/{made['id']}/logs/new?since={since}")
    assert answer.status_code == 422

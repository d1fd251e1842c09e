"""What is to be reached on two cores, and what was."""

from collections.abc import Callable, Iterator
from typing import Any

ENGINES = ("sqlite", "postgresql")
Found = dict[str, Any]


def at_least(bar: float) -> Callable[[float], bool]:
    return lambda value: value >= bar


def at_most(bar: float) -> Callable[[float], bool]:
    return lambda value: value <= bar


def _cell(value: float | None, reached: Callable[[float], bool], form: str) -> str:
    if value is None:
        return ""
    return f"{format(value, form)}{'' if reached(value) else ' (**missed**)'}"


def _reports(told: Found) -> Iterator[list[str]]:
    figures = told["figures"]
    bars = {"sqlite": 0.40, "postgresql": 0.35}
    yield [
        f"a report at {told['connections']} connections: rate beside the bare route's",
        "at least 0.40; PostgreSQL 0.35",
        *(_cell(figures[e]["share_of_bare_route"], at_least(bars[e]), ".2f") for e in ENGINES),
    ]
    yield _row("its p99", 50, " ms", [figures[e]["p99_ms"] for e in ENGINES])


def _row(what: str, most: float, unit: str, values: list[float | None]) -> list[str]:
    shown = (_cell(value, at_most(most), ",.1f" if most > 5 else ",.2f") for value in values)
    return [what, f"under {most:g}{unit}", *(f"{one}" for one in shown)]


def _points(told: Found) -> Iterator[list[str]]:
    rates = [told["figures"][e]["points_per_second"] for e in ENGINES]
    shown = [_cell(rate, at_least(100_000), ",.0f") for rate in rates]
    yield ["telemetry in bulk: samples of six values", "at least 100,000 a second", *shown]


def _making(told: Found) -> Iterator[list[str]]:
    for way in ("create", "provision by token"):
        rates = [told["figures"][f"{way}, {e}"]["per_second"] for e in ENGINES]
        shown = [_cell(rate, at_least(600), ",.0f") for rate in rates]
        yield [f"devices made: {way}", "at least 600 a second", *shown]


def _reads(told: Found) -> Iterator[list[str]]:
    engines = [told["engines"][e] for e in ENGINES]
    scale = "" if told["scale"] == 1 else f" (at a scale of {told['scale']:g})"

    def of(what: str, figure: str = "p50_ms") -> list[float | None]:
        return [engine["figures"][what][figure] for engine in engines]

    everything = "10,000 devices in one answer"
    yield _row(f"{everything}, p50", 250, " ms", of(everything))
    above = [engine["list_memory_above_idle_mb"] for engine in engines]
    yield _row("memory for that, above idle", 60, " MB", above)
    names = [name for name in engines[0]["figures"] if name.startswith(("log lines", "events"))]
    for name in ("telemetry of 24h, one device", *names):
        yield _row(f"{name}{scale}, p50", 30, " ms", of(name))
    pages = [name for name in engines[0]["figures"] if name.startswith("50 of")]
    worst = [max(engine["figures"][name]["p99_ms"] for name in pages) for engine in engines]
    what = f"{pages[0].removesuffix(', newest')}, filtered and sorted{scale}"
    yield _row(f"{what}, p99 of the slowest", 30, " ms", worst)


def _firstpage(told: Found) -> Iterator[list[str]]:
    p99 = [told["figures"][e]["console's first page"]["p99_ms"] for e in ENGINES]
    yield _row(f"console's first page of {told['devices']:,} devices, p99", 100, " ms", p99)


def _startup(told: Found) -> Iterator[list[str]]:
    ready = [told["servers"][e]["median_s"] for e in ENGINES]
    yield _row(f"server to ready, {told['devices']:,} devices", 2, " s", ready)
    # The same whatever the database is.
    yield _row("`moorage --help`", 0.4, " s", [told["figures"]["moorage --help"]["median_s"], None])


def _overload(told: Found) -> Iterator[list[str]]:
    figures = [told["figures"][e] for e in ENGINES]
    goodput = [_cell(one["goodput_of_peak"], at_least(0.8), ".2f") for one in figures]
    yield [
        "stored a second at twenty times the devices, beside the peak",
        "at least 0.80",
        *goodput,
    ]
    p99 = [one["overload_p99_ms"] for one in figures]
    yield _row("p99 of what is accepted then", 1000, " ms", p99)
    for what, without, beside in (
        ("workspace", "small_p99_ms_beside_fair", "small_p99_ms_beside_noisy"),
        ("device", "others_p99_ms_without_device", "others_p99_ms_beside_device"),
    ):
        ratios = [one[beside] / one[without] if one[without] else None for one in figures]
        shown = [_cell(ratio, at_most(1.2), ".2f") for ratio in ratios]
        yield [f"others' p99 beside a noisy {what}", "at most 1.20 of it without", *shown]


def _soak(told: Found) -> Iterator[list[str]]:
    said = told["options"]
    most = max(one["rss_mb"] for one in told["samples"])
    values = [most if said["engine"] == engine else None for engine in ENGINES]
    yield _row(f"server memory, {said['devices']:,} devices reporting", 300, " MB", values)


BARS = {
    "reports": _reports,
    "points": _points,
    "making": _making,
    "reads": _reads,
    "firstpage": _firstpage,
    "startup": _startup,
    "overload": _overload,
    "soak": _soak,
}


def table(scenarios: dict[str, Found]) -> list[str]:
    """Return the page's table of bars, of what was measured so far."""
    rows = [row for name, of in BARS.items() if name in scenarios for row in of(scenarios[name])]
    return [
        "## Beside what was to be reached",
        "",
        "The bars hold for two cores that do nothing else; dates and machines are below.",
        "",
        "| what | bar | SQLite | PostgreSQL |",
        "|---|---|---|---|",
        *(f"| {' | '.join(row)} |" for row in rows),
        "",
    ]

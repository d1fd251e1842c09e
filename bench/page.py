"""The page of all measurements: `docs/benchmarks.md`, from the results kept as JSON.

`latest.json` holds the last measurement of each scenario, with when and on what it was taken, so
that one can be taken again without the others.
"""

import json
from pathlib import Path
from typing import Any

import announcing
import bars
import compiled
import firstpage
import making
import matrix
import overload
import points
import reads
import reports
import startup
import storm

TABLES = {
    "reports": reports.table,
    "matrix": matrix.table,
    "compiled": compiled.table,
    "points": points.table,
    "making": making.table,
    "reads": reads.table,
    "firstpage": firstpage.table,
    "startup": startup.table,
    "overload": overload.table,
    "storm": storm.table,
    "announcing": announcing.table,
}
HEAD = """\
# How fast it is

Measured by [`make bench`](../bench/README.md), which writes this page. Absolute figures differ from
machine to machine, and from minute to minute on a shared one: what can be compared is the share of
the raw limit that was measured in the same run. What is in each figure and what is not is said in
[bench/README.md](../bench/README.md).
"""


def load(results: Path) -> dict[str, dict[str, Any]]:
    """The last measurement of each scenario by its name, a soak among them when there was one."""
    path = results / "latest.json"
    found = json.loads(path.read_text()) if path.exists() else {}
    scenarios = {
        # Once they were all taken together.
        name: {key: found[key] for key in ("at", "machine") if key in found} | told
        for name, told in found.get("scenarios", {}).items()
    }
    if "engines" not in scenarios.get("reads", {"engines": {}}):
        del scenarios["reads"]  # it measured something else then
    soak = results / "soak.json"
    if soak.exists():
        scenarios["soak"] = json.loads(soak.read_text())
    return scenarios


def keep(results: Path, name: str, told: dict[str, Any]) -> None:
    """Put a measurement in the place of the scenario's last one; the others stay."""
    scenarios = {key: value for key, value in load(results).items() if key != "soak"}
    scenarios[name] = told
    beside = results / "latest.json.new"
    beside.write_text(json.dumps({"scenarios": scenarios}, indent=2) + "\n")
    beside.replace(results / "latest.json")


def write(results: Path, path: Path) -> None:
    """Write the page."""
    path.write_text(markdown(load(results)))


def markdown(scenarios: dict[str, dict[str, Any]]) -> str:
    lines = [HEAD, *bars.table(scenarios)]
    for name, table in TABLES.items():
        told = scenarios.get(name)
        if told is None:
            lines += [
                f"## {name.capitalize()}",
                "",
                f"Not measured yet: `bench/run.py {name}`.",
                "",
            ]
            continue
        title, blank, *rest = table(told)
        lines += [title, blank, _taken(told, f"bench/run.py {name}"), "", *rest]
    lines += soak(scenarios.get("soak"))
    return "\n".join(lines).rstrip() + "\n"


def _taken(told: dict[str, Any], command: str) -> str:
    where = told["machine"]
    memory = f", {where['memory_gb']} GB" if where.get("memory_gb") else ""
    took = f"; {told['took_s']:.0f} s" if "took_s" in told else ""
    return (
        f"*{told['at'][:10]}, {where['cores']} cores of {where['cpu']}{memory}, "
        f"{where.get('system', 'Linux')}, Python {where['python']}; `{command}`{took}*"
    )


def soak(told: dict[str, Any] | None) -> list[str]:
    """The verdict of a soak; its looks are in `bench/results/soak.md`."""
    title = ["## A fleet for a while", ""]
    if told is None:
        return [*title, "Not measured yet: `make soak`.", ""]
    said, found, account = told["options"], told["verdict"], told["account"]
    samples = told["samples"]
    most = max(one["rss_mb"] for one in samples)
    p99 = sorted(one["p99_ms"] for one in samples)[len(samples) // 2]
    command = (
        f"bench/soak.py --devices {said['devices']} --minutes {said['minutes']:g} "
        f"--engine {said['engine']}"
    )
    return [
        *title,
        _taken(told, command),
        "",
        (
            "Virtual devices on one server process, with retention of a few minutes and a byte "
            "budget. They live on the same cores as the server."
        ),
        "",
        "| what | |",
        "|---|---|",
        (
            f"| devices, minutes, engine | {said['devices']:,}, {said['minutes']:g}, "
            f"{said['engine']} |"
        ),
        f"| reports acknowledged | {account['reports']['acknowledged']:,} |",
        f"| lost, stored twice | {account['lost']}, {account['verified']['twice']} |",
        f"| server memory, at most | {most:.0f} MB |",
        (
            f"| memory over the last two thirds | {found['memory_grown_mb']:+.1f} MB: "
            f"{'flat' if found['memory_flat'] else 'it grows'} |"
        ),
        (
            f"| database, at most | {found['largest_bytes'] / 2**20:,.0f} MB: "
            f"{'within its budget' if found['disk_bounded'] else 'over its budget'} |"
        ),
        f"| p99 of a report, the median of the looks | {p99:.0f} ms |",
        "",
    ]

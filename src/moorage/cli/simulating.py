"""Carrying out ``moorage sim``: the run, its progress, its account."""

import asyncio
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict

from moorage.cli.owner import output, profiles
from moorage.cli.owner.outcomes import Exit, usage
from moorage.sdk import AsyncMoorage, Retries
from moorage.simulator import PROFILES, Client, Options, Outcome, Progress, Simulation

# What one key may ask in a minute is limited; with many devices that limit is met, and waited for.
_PATIENT = Retries(most=60)
_LINE_EVERY_S = 10.0


def checked(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names of profiles. Raises Refused (2) for one there is not."""
    for name in names:
        if name not in PROFILES:
            raise usage(f"there is no profile {name!r}; there are {', '.join(PROFILES)}")
    return tuple(names)


def list_profiles(*, as_json: bool) -> None:
    """Print the profiles."""
    if as_json:
        output.emit({name: asdict(one) for name, one in PROFILES.items()})
        return
    output.table(
        ["name", "streams", "services", "how it fails"],
        [
            [name, ", ".join(one.streams), ", ".join(one.services), _faults(name)]
            for name, one in PROFILES.items()
        ],
    )


def _faults(name: str) -> str:
    faults = PROFILES[name].faults
    said = []
    if faults.cut or faults.lose_answer:
        said.append(f"{faults.cut:.0%} of sendings cut, {faults.lose_answer:.0%} of answers lost")
    if faults.outage is not None:
        who = "all at once" if faults.together else "each in its turn"
        said.append(
            f"{faults.outage} away for {faults.lasts} of every {faults.every} intervals, {who}"
        )
    return "; ".join(said)


def run(login: str | None, options: Options, *, as_json: bool) -> int:
    """Run a simulation; return the exit code. Raises Refused."""
    _, chosen = profiles.chosen(login)
    try:
        outcome = asyncio.run(_run(chosen, options))
    except ValueError as error:
        raise usage(str(error)) from None
    except (KeyboardInterrupt, asyncio.CancelledError):
        output.note("ended; devices that are left carry the tag `simulated`")
        return Exit.FAILED
    if as_json:
        output.emit(outcome.as_json())
    else:
        _show(outcome)
    return Exit.OK if outcome.balanced else Exit.FAILED


async def _run(chosen: profiles.Profile, options: Options) -> Outcome:
    client = Client(chosen.url, connections=options.connections, ca_file=chosen.ca_file)
    async with AsyncMoorage(
        chosen.url, chosen.key, retries=_PATIENT, ca_file=chosen.ca_file
    ) as fleet:
        with _progress() as tell:
            simulation = Simulation(options, client, fleet, tell)
            with _ended_by_signal(simulation):
                try:
                    return await simulation.run()
                finally:
                    await client.close()


@contextmanager
def _ended_by_signal(simulation: Simulation) -> Iterator[None]:
    """Have the first Ctrl-C end the devices' life, and the next one everything."""
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()

    def stop() -> None:
        output.note("ending: what waits is delivered, verified and cleared up; again to leave it")
        simulation.stop()
        for one in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(one)
        if task is not None:
            loop.add_signal_handler(signal.SIGINT, task.cancel)

    for one in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(one, stop)
    try:
        yield
    finally:
        for one in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(one)


@contextmanager
def _progress() -> Iterator[Callable[[Progress], None]]:
    """Give a function that tells of progress on standard error: drawn, or a line now and then."""
    if not sys.stderr.isatty():
        yield _Lines().tell
        return
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    with Live(console=Console(stderr=True), refresh_per_second=4, transient=True) as live:
        yield lambda progress: live.update(Text(_line(progress)))


class _Lines:
    """A line at the end of each phase, and every ten seconds in between."""

    def __init__(self) -> None:
        self._phase = ""
        self._told_at = 0.0

    def tell(self, progress: Progress) -> None:
        now = time.monotonic()
        over = progress.done >= progress.total
        if progress.phase == self._phase and not over and now - self._told_at < _LINE_EVERY_S:
            return
        self._phase, self._told_at = progress.phase, now
        output.note(_line(progress))


def _line(progress: Progress) -> str:
    account = progress.account
    line = f"{progress.phase} {progress.done:.0f}/{progress.total:.0f}"
    if progress.phase not in ("running", "draining"):
        return line
    middle = account.latencies.percentile(50)
    latency = "" if middle is None else f", {middle * 1000:.0f} ms"
    return (
        f"{line} · made {account.made}, acknowledged {account.acknowledged}, "
        f"waiting {account.waiting}, resent {account.resent}, refused {account.refused}, "
        f"under way {progress.under_way}{latency}"
    )


def _show(outcome: Outcome) -> None:
    account, verified = outcome.account, outcome.verified
    latencies = account.latencies.as_json()
    failures = ", ".join(f"{count} {reason}" for reason, count in account.failures.most_common())
    output.facts(
        {
            "run": f"{outcome.run}, {outcome.options.devices} devices, {outcome.seconds:.0f} s",
            "made": f"{account.made} ({account.backfill} by backfill)",
            "acknowledged": str(account.acknowledged),
            "refused": str(account.refused),
            "undelivered": str(account.waiting),
            "sent": f"{account.sent}, of which {account.resent} again",
            "spoiled": f"{account.answers_lost} answers lost, {account.cut} connections cut",
            "failures": failures,
            "latency": ", ".join(f"{name} {ms} ms" for name, ms in latencies.items()),
            "verified": f"{verified.reports} reports of {verified.devices} devices by their chains",
            "lost": str(outcome.lost),
            "stored twice": str(verified.twice),
        }
    )
    for finding in verified.findings[:20]:
        output.say(finding)
    output.say("balanced: " + ("yes" if outcome.balanced else "NO"))

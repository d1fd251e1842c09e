"""STRICT=1: a test that was skipped for want of a part is a failure, two parts excepted."""

import os

import pytest

# An interpreter hard to come by, and a service outside.
_EXCEPTED = ("Python 3.8", "no real Portainer")


class Strict:
    """Counts skips where the results come together, and lists them last."""

    def __init__(self) -> None:
        self._skipped: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped and not hasattr(report, "wasxfail"):
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
            self._skipped[report.nodeid] = str(reason).removeprefix("Skipped: ")

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        terminalreporter.section("skipped on this machine")
        for name, reason in sorted(self._skipped.items()):
            terminalreporter.write_line(f"{name}: {reason}")
        if not self._skipped:
            terminalreporter.write_line("nothing")
        if self._failures():
            terminalreporter.write_line("STRICT: these must not be skipped here", red=True)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self._failures() and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _failures(self) -> list[str]:
        if not os.environ.get("STRICT"):
            return []
        return [
            name
            for name, reason in self._skipped.items()
            if not any(part in reason for part in _EXCEPTED)
        ]


def install(config: pytest.Config) -> None:
    """Add it where reports arrive: the controller under xdist, the one process without."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Strict(), "strict")

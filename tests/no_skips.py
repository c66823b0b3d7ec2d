"""Under CI=true nothing may be skipped: a skip there hides a broken build, so it fails the run by name."""

from __future__ import annotations

import os

import pytest


class NoSkips:
    """Collects skips and fails the session for them."""

    def __init__(self) -> None:
        self.skipped: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped and not hasattr(report, "wasxfail"):
            self.skipped.append(f"{report.nodeid}: {report.longrepr}")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.skipped:
            self.skipped.append(f"{report.nodeid}: {report.longrepr}")

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.skipped and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for line in self.skipped:
            terminalreporter.write_line(f"SKIPPED UNDER CI: {line}", red=True)


def install(config: pytest.Config) -> None:
    """Register it when CI=true."""
    if os.environ.get("CI", "").lower() == "true":
        config.pluginmanager.register(NoSkips(), "no-skips")

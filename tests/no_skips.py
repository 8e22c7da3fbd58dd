"""A pytest plugin for `make check-all`: a run in which a test was skipped or deselected fails and says which."""

from __future__ import annotations

import pytest


class NoSkips:
    def __init__(self) -> None:
        self.missing: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        # A test that is expected to fail reports itself as skipped too, but it did run.
        if report.skipped and not hasattr(report, "wasxfail"):
            self.missing.append(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.skipped:
            self.missing.append(report.nodeid)

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        self.missing.extend(item.nodeid for item in items)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.missing and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for nodeid in self.missing:
            terminalreporter.write_line(f"NOT RUN, and this run may skip nothing: {nodeid}", red=True)


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(NoSkips(), "no-skips")

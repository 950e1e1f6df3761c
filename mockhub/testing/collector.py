"""Collects what the hubs of all tests saw, also in xdist workers, and reports it at the end."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from mockhub.testing.session_report import SessionReport

REPORT_ATTRIBUTE = "mockhub"  # of a pytest report: the JSON of a test's hubs


class Collector:
    """The plugin of the controlling process, which reports on the session."""

    def __init__(self, config: pytest.Config) -> None:
        self._show_hints = config.get_verbosity() > 0
        self._html_path = html_report_path(config)
        self._has_data = False

    @cached_property
    def _session_report(self) -> SessionReport:
        from mockhub.testing.session_report import SessionReport

        return SessionReport()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if hub_data := report.__dict__.get(REPORT_ATTRIBUTE):
            self._has_data = True
            self._session_report.add(report.nodeid, hub_data)

    def pytest_sessionfinish(self) -> None:
        if self._html_path:
            self._html_path.write_text(self._session_report.as_html(), "utf-8")

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._has_data and self._session_report.tests:
            terminalreporter.section("mockhub")
            for line in self._session_report.terminal_lines(show_hints=self._show_hints):
                terminalreporter.write_line(line)
        if self._html_path:
            terminalreporter.write_line(f"mockhub: wrote {self._html_path}")


def html_report_path(config: pytest.Config) -> Path | None:
    """Return the path of the HTML report, if one is wanted.

    Raises:
        pytest.UsageError: if it cannot be written.
    """
    option = config.getoption("mockhub_report_html")
    if option is None:
        return None
    from mockhub._files import why_not_writable

    path: Path = config.invocation_params.dir / option
    if reason := why_not_writable(path):
        raise pytest.UsageError(f"--mockhub-report-html {option}: cannot be written: {reason}")
    return path

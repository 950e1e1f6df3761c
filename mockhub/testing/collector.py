"""Gathers what tests have seen, in a session's own process: also those of xdist's workers."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from mockhub.testing.summary import Summary

ATTRIBUTE = "mockhub"  # of a report, where a test's hubs leave what they have seen


class Collector:
    """A plugin that tells at the end of the session what the client did."""

    def __init__(self, config: pytest.Config) -> None:
        self._hints = config.get_verbosity() > 0
        self._page = page_wanted(config)
        self._any = False

    @cached_property
    def _summary(self) -> Summary:
        from mockhub.testing.summary import Summary

        return Summary()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take in what a test's hubs have seen."""
        if seen := report.__dict__.get(ATTRIBUTE):
            self._any = True
            self._summary.add(report.nodeid, seen)

    def pytest_sessionfinish(self) -> None:
        """Write the page, if one is wanted."""
        if self._page:
            from mockhub.testing.page import page

            self._page.write_text(page(self._summary), "utf-8")

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Tell the mistakes, and what was never met."""
        if self._any and self._summary.tests:
            terminalreporter.section("mockhub")
            for line in self._summary.lines(hints=self._hints):
                terminalreporter.write_line(line)
        if self._page:
            terminalreporter.write_line(f"mockhub: wrote {self._page}")


def page_wanted(config: pytest.Config) -> Path | None:
    """Where the page is to be written.

    Raises:
        pytest.UsageError: if there is no such folder.
    """
    given = config.getoption("mockhub_report_html")
    if given is None:
        return None
    page: Path = config.invocation_params.dir / given
    if not page.parent.is_dir():
        raise pytest.UsageError(f"--mockhub-report-html {given}: there is no folder {page.parent}")
    return page

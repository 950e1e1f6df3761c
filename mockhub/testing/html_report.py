"""Renders the session report as one static HTML page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mockhub._templates import render_template
from mockhub.client_report.coverage import Coverage
from mockhub.testing.session_report import SessionReport

_TEMPLATE = Path(__file__).with_name("templates") / "report.html.j2"


def render(report: SessionReport) -> str:
    # Everything that clients send, such as prompts and paths, is hostile text (T28).
    coverage = report.coverage() if report.tests else None
    return render_template(
        _TEMPLATE,
        report=report,
        coverage=coverage,
        coverage_tables=_coverage_tables(coverage) if coverage else (),
    )


def _coverage_tables(coverage: Coverage) -> tuple[tuple[str, Mapping[str, int]], ...]:
    statuses = {
        f"{operation} {status}": count
        for operation, counts in coverage.statuses.items()
        for status, count in counts.items()
    }
    return (
        ("Operations", coverage.operations),
        ("Statuses", statuses),
        ("Error codes", coverage.codes),
        ("Job states", coverage.states),
        ("Not documented", coverage.undocumented),
    )

"""Renders the session report as one static HTML page."""

from __future__ import annotations

from collections.abc import Mapping

from jinja2 import Environment, PackageLoader, StrictUndefined

from mockhub._text import plural, printable
from mockhub.client_report.coverage import Coverage
from mockhub.testing.session_report import SessionReport


def render(report: SessionReport) -> str:
    # Everything that clients send, such as prompts and paths, is hostile text (T28).
    environment = Environment(
        loader=PackageLoader("mockhub.testing"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: printable(value, keep="\n") if isinstance(value, str) else value,
    )
    environment.filters["plural"] = plural
    coverage = report.coverage() if report.tests else None
    return environment.get_template("report.html.j2").render(
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

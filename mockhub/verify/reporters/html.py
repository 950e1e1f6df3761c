"""HTML report: one page without external resources."""

from __future__ import annotations

from pathlib import Path

from mockhub._templates import render_template
from mockhub.verify.report import Report
from mockhub.verify.results import evidence_lines

_TEMPLATE = Path(__file__).with_name("templates") / "report.html.j2"


def html(report: Report) -> str:
    """Render *report* as a page: clauses, outcomes, checks and evidence."""
    page = render_template(_TEMPLATE, report=report, evidence_lines=evidence_lines)
    return report.secrets.redact(page)

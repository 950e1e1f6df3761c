"""HTML report: one page without external resources."""

from __future__ import annotations

from pathlib import Path

from mockhub._text import plural, printable
from mockhub.verify.report import Report
from mockhub.verify.results import evidence_lines

_TEMPLATES = Path(__file__).with_name("templates")


def html(report: Report) -> str:
    """Render *report* as a page: clauses, outcomes, checks and evidence."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # 60 ms, rarely needed

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: printable(value, keep="\n") if isinstance(value, str) else value,
    )
    page = environment.get_template("report.html.j2").render(
        report=report, plural=plural, evidence_lines=evidence_lines
    )
    return report.secrets.redact(page)

"""Markdown report."""

from __future__ import annotations

from html import escape

from mockhub.verify.outcomes import FAILED
from mockhub.verify.reporters.html import (
    _overall_outcome,
    outcome_label,
    summary_line,
)
from mockhub.verify.reporters.junit import _evidence_lines
from mockhub.verify.reporters.report import Report


def markdown(report: Report) -> str:
    """A step summary: what is broken with its evidence, what is open, and the rest as a table."""
    lines = [
        f"## mockhub verify: {_overall_outcome(report)}",
        "",
        f"`{report.target}`: {summary_line(report)}",
        "",
    ]
    for clause in report.with_outcome(FAILED):
        lines += [
            f"### {clause.id}: {clause.statement}",
            "",
            _table_cell(clause.reason),
            "",
            "```text",
        ]
        lines += [line.replace("```", "'''") for line in _evidence_lines(clause)] + ["```", ""]
    lines += ["| clause | outcome | |", "| --- | --- | --- |"]
    for clause in report.worst_first():
        if clause.is_selected:
            text = _table_cell(clause.reason or clause.statement)
            lines.append(f"| {clause.id} | {outcome_label(clause.outcome)} | {text} |")
    return "\n".join(lines) + "\n"


def _table_cell(text: str) -> str:
    return escape(" ".join(text.split())).replace("|", "\\|").replace("`", "'")

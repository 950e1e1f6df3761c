"""Markdown report for the step summary of a CI job."""

from __future__ import annotations

from html import escape

from mockhub.verify.outcomes import Outcome
from mockhub.verify.report import ClauseResult, Report


def markdown(report: Report) -> str:
    """Render *report*: the failed clauses with their evidence, then a table of all."""
    lines = [f"## {report.title}", "", f"`{report.target}`: {report.summary}", ""]
    for clause in report.with_outcome(Outcome.FAILED):
        lines += _failure_lines(clause)
    lines += ["| clause | outcome | |", "| --- | --- | --- |"]
    for clause in report.worst_first():
        if clause.is_selected:
            text = _table_cell(clause.reason or clause.statement)
            lines.append(f"| {clause.id} | {clause.outcome} | {text} |")
    return report.secrets.redact("\n".join(lines) + "\n")


def _failure_lines(clause: ClauseResult) -> list[str]:
    return [
        f"### {clause.id}: {clause.statement}",
        "",
        _table_cell(clause.reason),
        "",
        "```text",
        *(line.replace("```", "'''") for line in clause.evidence_lines()),
        "```",
        "",
        f"`{clause.explain_command}` shows everything about this clause.",
        "",
    ]


def _table_cell(text: str) -> str:
    return escape(" ".join(text.split())).replace("|", "\\|").replace("`", "'")

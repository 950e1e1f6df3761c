"""Markdown report for the step summary of a CI job."""

from __future__ import annotations

import re
from html import escape

from mockhub._text import printable
from mockhub.verify.outcomes import Outcome
from mockhub.verify.report import ClauseResult, Report


def markdown(report: Report) -> str:
    """Render *report*: the failed clauses with their evidence, then a table of all."""
    lines = [f"## {report.title}", "", f"{_escape(report.target)}: {report.summary}", ""]
    for clause in report.with_outcome(Outcome.FAILED):
        lines += _failure_lines(clause)
    lines += ["| clause | outcome | |", "| --- | --- | --- |"]
    for clause in report.worst_first():
        if clause.is_selected:
            text = _escape(clause.reason or clause.statement)
            lines.append(f"| {clause.id} | {clause.outcome} | {text} |")
    return report.secrets.redact("\n".join(lines) + "\n")


def _failure_lines(clause: ClauseResult) -> list[str]:
    return [
        f"### {clause.id}: {clause.statement}",
        "",
        _escape(clause.reason),
        "",
        "```text",
        *(_fenced(line) for line in clause.evidence_lines()),
        "```",
        "",
        f"`{clause.explain_command}` shows everything about this clause.",
        "",
    ]


def _escape(text: str) -> str:
    """Return *text* in one line, without markup, links and the separators of a table."""
    text = escape(printable(" ".join(text.split())))
    return re.sub(r"([\\|`\[\]*_~])", r"\\\1", text)


def _fenced(text: str) -> str:
    return printable(text, keep="\n").replace("```", "'''")

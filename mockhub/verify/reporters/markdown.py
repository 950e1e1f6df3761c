"""Markdown report for the step summary of a CI job."""

from __future__ import annotations

import re
from html import escape

from mockhub._text import printable
from mockhub.verify.findings import Finding
from mockhub.verify.report import Report
from mockhub.verify.results import evidence_lines


def markdown(report: Report) -> str:
    """Render *report*: the findings with their evidence, then a table of all clauses."""
    lines = [f"## {report.title}", "", f"{_escape(report.target)}: {report.summary}", ""]
    for finding in report.findings:
        lines += _finding_lines(report, finding)
    for finding in report.known_findings:
        text = f"{', '.join(finding.clause_ids)}: {report.acceptance_of(finding)}"
        lines += [_escape(text), ""]
    for note in report.notes:
        lines += [_escape(note), ""]
    lines += ["| clause | outcome | level | |", "| --- | --- | --- | --- |"]
    for clause in report.worst_first():
        if clause.is_selected:
            text = _escape(clause.reason or clause.statement)
            lines.append(f"| {clause.id} | {clause.outcome} | {clause.level} | {text} |")
    return report.secrets.redact("\n".join(lines) + "\n")


def _finding_lines(report: Report, finding: Finding) -> list[str]:
    touched = [f"touches {', '.join(finding.touched)}"] if finding.touched else []
    files = [f"files: {report.files_of(finding)}"] if report.files_of(finding) else []
    evidence = (*evidence_lines(finding.result), *finding.other_lines(), *touched, *files)
    return [
        f"### {finding.clause.id} ({finding.level}): {_escape(finding.result.message)}",
        "",
        _escape(finding.reading),
        "",
        "```text",
        *(_fenced(line) for line in evidence),
        "```",
        "",
        f"`{finding.explain_command}` shows everything about this clause.",
        "",
    ]


def _escape(text: str) -> str:
    """Return *text* in one line, without markup, links and the separators of a table."""
    text = escape(printable(" ".join(text.split())))
    return re.sub(r"([\\|`\[\]*_~])", r"\\\1", text)


def _fenced(text: str) -> str:
    return printable(text, keep="\n").replace("```", "'''")

"""A report as JUnit XML, as Markdown for a step summary, and as one static page."""

from __future__ import annotations

from html import escape

from mockhub.verify.outcomes import FAILED, INCONCLUSIVE, PASSED, SKIPPED
from mockhub.verify.reporters.junit import _evidence_lines
from mockhub.verify.reporters.report import ClauseResult, Report

_OUTCOME_LABELS = {
    PASSED: "passed",
    FAILED: "failed",
    SKIPPED: "skipped",
    INCONCLUSIVE: "inconclusive",
}


def outcome_label(outcome: str) -> str:
    """A verdict as people write it."""
    return _OUTCOME_LABELS[outcome]


def summary_line(report: Report) -> str:
    """The outcome in a line."""
    counts = ", ".join(
        f"{len(report.with_outcome(outcome))} {outcome_label(outcome)}"
        for outcome in (PASSED, FAILED, INCONCLUSIVE, SKIPPED)
    )
    interrupted_note = " Interrupted." if report.interrupted else ""
    return (
        f"{counts}; {report.credits_spent} of {report.budget} credits, "
        f"{report.requests} requests, {report.seconds:.1f} s, seed {report.seed}.{interrupted_note}"
    )


def _overall_outcome(report: Report) -> str:
    return {0: "conforms", 1: "failed", 3: "inconclusive"}[report.exit_code]


_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; } td, th { text-align: left; padding: .3rem .6rem;
vertical-align: top; border-bottom: 1px solid #8883; } pre { white-space: pre-wrap; overflow-wrap:
anywhere; background: #8881; padding: .6rem; } .id { white-space: nowrap; }
.passed { color: #18794e; } .failed { color: #c62a2f;
font-weight: 600; } .inconclusive { color: #ad5700; } .skipped { color: #888; }
:root { color-scheme: light dark; } summary { cursor: pointer; }
"""


def html(report: Report) -> str:
    """One static page: clause, verdict, checks, evidence, credits."""
    rows = "\n".join(_table_row(clause) for clause in report.worst_first())
    title = f"mockhub verify: {_overall_outcome(report)}"
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>
<body><h1>{title}</h1>
<p><code>{escape(report.target)}</code>, level {report.level}: {escape(summary_line(report))}</p>
<table><thead><tr><th>clause<th>outcome<th>what it says, and what was found</tr></thead>
<tbody>
{rows}
</tbody></table></body></html>
"""


def _table_row(clause: ClauseResult) -> str:
    checks = "".join(
        f'<li class="{check.outcome}">{escape(check.name)}: {escape(check.description)}'
        f"{' (' + escape(check.message) + ')' if check.message else ''}</li>"
        for check in clause.checks
    )
    evidence = escape("\n\n".join(_evidence_lines(clause)))
    evidence_html = f"<pre>{evidence}</pre>" if evidence and clause.outcome != PASSED else ""
    open_attribute = " open" if clause.outcome == FAILED else ""
    reason_html = f"<p>{escape(clause.reason)}</p>" if clause.reason else ""
    details = (
        f"<details{open_attribute}><summary>{len(clause.checks)} checks</summary>"
        f"<ul>{checks}</ul>{evidence_html}</details>"
    )
    return (
        f'<tr id="{clause.id}"><td class="id">{clause.id}'
        f'<td class="{clause.outcome} id">{outcome_label(clause.outcome)}'
        f"<td>{escape(clause.statement)}{reason_html}{details if clause.checks else ''}</tr>"
    )

"""A report as JUnit XML, as Markdown for a step summary, and as one static page."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from xml.etree import ElementTree as Xml

from .report import ClauseResult, Report
from .verdicts import BROKEN, INCONCLUSIVE, NOT_ASKED, PASSED

_WORDS = {
    PASSED: "passed",
    BROKEN: "broken",
    NOT_ASKED: "not asked",
    INCONCLUSIVE: "inconclusive",
}


def word(verdict: str) -> str:
    """A verdict as people write it."""
    return _WORDS[verdict]


def headline(report: Report) -> str:
    """The outcome in a line."""
    counts = ", ".join(
        f"{len(report.of(verdict))} {word(verdict)}"
        for verdict in (PASSED, BROKEN, INCONCLUSIVE, NOT_ASKED)
    )
    end = " Interrupted." if report.interrupted else ""
    return (
        f"{counts}; {report.credits_spent} of {report.budget} credits, "
        f"{report.requests} requests, {report.seconds:.1f} s, seed {report.seed}.{end}"
    )


def junit(report: Report) -> bytes:
    """JUnit XML: a test case a clause; broken is a failure, inconclusive an error."""
    suite = Xml.Element(
        "testsuite",
        name=f"mockhub verify ({report.level})",
        tests=str(len(report.clauses)),
        failures=str(len(report.of(BROKEN))),
        errors=str(len(report.of(INCONCLUSIVE))),
        skipped=str(len(report.of(NOT_ASKED))),
        time=f"{report.seconds:.3f}",
    )
    for clause in report.clauses:
        case = Xml.SubElement(suite, "testcase", classname=_group(clause), name=clause.id)
        kind = {BROKEN: "failure", INCONCLUSIVE: "error", NOT_ASKED: "skipped"}.get(clause.verdict)
        if kind:
            node = Xml.SubElement(case, kind, message=_printable(clause.why))
            node.text = _printable("\n".join((clause.says, *_evidence(clause))))
    Xml.indent(suite)
    found: bytes = Xml.tostring(suite, "utf-8", xml_declaration=True)
    return found


def _printable(text: str) -> str:
    """*text* without the control characters that XML cannot carry."""
    return "".join(sign if sign.isprintable() or sign == "\n" else "\ufffd" for sign in text)


def _group(clause: ClauseResult) -> str:
    return clause.id.partition("-")[0]


def _evidence(clause: ClauseResult) -> Iterator[str]:
    deciding = clause.deciding
    if deciding is None:
        return
    for exchange in deciding.evidence:
        yield exchange.curl()
        yield exchange.came()
    if deciding.expected:
        yield f"expected: {deciding.expected}"


def markdown(report: Report) -> str:
    """A step summary: what is broken with its evidence, what is open, and the rest as a table."""
    lines = [
        f"## mockhub verify: {_outcome(report)}",
        "",
        f"`{report.target}`: {headline(report)}",
        "",
    ]
    for clause in report.of(BROKEN):
        lines += [f"### {clause.id}: {clause.says}", "", _cell(clause.why), "", "```text"]
        lines += [line.replace("```", "'''") for line in _evidence(clause)] + ["```", ""]
    lines += ["| clause | verdict | |", "| --- | --- | --- |"]
    for clause in report.worst_first():
        if clause.asked:
            told = _cell(clause.why or clause.says)
            lines.append(f"| {clause.id} | {word(clause.verdict)} | {told} |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return escape(" ".join(text.split())).replace("|", "\\|").replace("`", "'")


def _outcome(report: Report) -> str:
    return {0: "conforms", 1: "broken", 3: "inconclusive"}[report.exit_code]


_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; } td, th { text-align: left; padding: .3rem .6rem;
vertical-align: top; border-bottom: 1px solid #8883; } pre { white-space: pre-wrap; overflow-wrap:
anywhere; background: #8881; padding: .6rem; } .id { white-space: nowrap; }
.passed { color: #18794e; } .broken { color: #c62a2f;
font-weight: 600; } .inconclusive { color: #ad5700; } .not_asked { color: #888; }
:root { color-scheme: light dark; } summary { cursor: pointer; }
"""


def html(report: Report) -> str:
    """One static page: clause, verdict, checks, evidence, credits."""
    rows = "\n".join(_row(clause) for clause in report.worst_first())
    title = f"mockhub verify: {_outcome(report)}"
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>
<body><h1>{title}</h1>
<p><code>{escape(report.target)}</code>, level {report.level}: {escape(headline(report))}</p>
<table><thead><tr><th>clause<th>verdict<th>what it says, and what was found</tr></thead>
<tbody>
{rows}
</tbody></table></body></html>
"""


def _row(clause: ClauseResult) -> str:
    checks = "".join(
        f'<li class="{check.verdict}">{escape(check.name)}: {escape(check.says)}'
        f"{' (' + escape(check.message) + ')' if check.message else ''}</li>"
        for check in clause.checks
    )
    evidence = escape("\n\n".join(_evidence(clause)))
    shown = f"<pre>{evidence}</pre>" if evidence and clause.verdict != PASSED else ""
    opened = " open" if clause.verdict == BROKEN else ""
    why = f"<p>{escape(clause.why)}</p>" if clause.why else ""
    told = (
        f"<details{opened}><summary>{len(clause.checks)} checks</summary>"
        f"<ul>{checks}</ul>{shown}</details>"
    )
    return (
        f'<tr id="{clause.id}"><td class="id">{clause.id}'
        f'<td class="{clause.verdict} id">{word(clause.verdict)}'
        f"<td>{escape(clause.says)}{why}{told if clause.checks else ''}</tr>"
    )

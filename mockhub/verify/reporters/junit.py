"""JUnit XML report."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree as Xml

from mockhub.verify.outcomes import FAILED, INCONCLUSIVE, SKIPPED
from mockhub.verify.reporters.report import ClauseResult, Report


def junit(report: Report) -> bytes:
    """JUnit XML: a test case a clause; broken is a failure, inconclusive an error."""
    suite = Xml.Element(
        "testsuite",
        name=f"mockhub verify ({report.level})",
        tests=str(len(report.clauses)),
        failures=str(len(report.with_outcome(FAILED))),
        errors=str(len(report.with_outcome(INCONCLUSIVE))),
        skipped=str(len(report.with_outcome(SKIPPED))),
        time=f"{report.seconds:.3f}",
    )
    for clause in report.clauses:
        case = Xml.SubElement(suite, "testcase", classname=_clause_group(clause), name=clause.id)
        tag = {FAILED: "failure", INCONCLUSIVE: "error", SKIPPED: "skipped"}.get(clause.outcome)
        if tag:
            node = Xml.SubElement(case, tag, message=_xml_text(clause.reason))
            node.text = _xml_text("\n".join((clause.statement, *_evidence_lines(clause))))
    Xml.indent(suite)
    content: bytes = Xml.tostring(suite, "utf-8", xml_declaration=True)
    return content


def _xml_text(text: str) -> str:
    """*text* without the control characters that XML cannot carry."""
    return "".join(char if char.isprintable() or char == "\n" else "\ufffd" for char in text)


def _clause_group(clause: ClauseResult) -> str:
    return clause.id.partition("-")[0]


def _evidence_lines(clause: ClauseResult) -> Iterator[str]:
    deciding = clause.deciding
    if deciding is None:
        return
    for exchange in deciding.evidence:
        yield exchange.curl()
        yield exchange.describe()
    if deciding.expected:
        yield f"expected: {deciding.expected}"

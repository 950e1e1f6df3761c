"""JUnit XML report: one test case for each clause."""

from __future__ import annotations

from xml.etree import ElementTree as Xml

from mockhub._text import printable
from mockhub.verify.outcomes import Outcome
from mockhub.verify.report import Report

_DECLARATION = "<?xml version='1.0' encoding='utf-8'?>"
_TAGS = {
    Outcome.FAILED: "failure",
    Outcome.INCONCLUSIVE: "error",
    Outcome.SKIPPED: "skipped",
}


def junit(report: Report) -> str:
    """Render *report* as JUnit XML. Failed is a failure, inconclusive an error."""
    suite = Xml.Element(
        "testsuite",
        name=f"mockhub verify ({report.level})",
        tests=str(len(report.clauses)),
        failures=str(len(report.with_outcome(Outcome.FAILED))),
        errors=str(len(report.with_outcome(Outcome.INCONCLUSIVE))),
        skipped=str(len(report.with_outcome(Outcome.SKIPPED))),
        time=f"{report.seconds:.3f}",
    )
    for clause in report.clauses:
        group = clause.id.partition("-")[0]
        case = Xml.SubElement(suite, "testcase", classname=group, name=clause.id)
        if tag := _TAGS.get(clause.outcome):
            node = Xml.SubElement(case, tag, message=printable(clause.reason))
            lines = (clause.statement, *clause.evidence_lines())
            node.text = "\n".join(printable(line, keep="\n") for line in lines)
    Xml.indent(suite)
    return report.secrets.redact(f"{_DECLARATION}\n{Xml.tostring(suite, 'unicode')}")

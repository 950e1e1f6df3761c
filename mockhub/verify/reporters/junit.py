"""JUnit XML report: one test case for each clause."""

from __future__ import annotations

from xml.etree import ElementTree as Xml

from mockhub._text import printable
from mockhub.verify.outcomes import Outcome
from mockhub.verify.report import Report
from mockhub.verify.results import ClauseResult

_DECLARATION = "<?xml version='1.0' encoding='utf-8'?>"
_TAGS = {
    Outcome.FAILED: "failure",
    Outcome.INCONCLUSIVE: "error",
    Outcome.SKIPPED: "skipped",
}


def junit(report: Report) -> str:
    """Render *report* as JUnit XML.

    Failed is a failure, inconclusive an error. What is accepted or in the baseline is skipped.
    """
    cases = [_case(report, clause) for clause in report.clauses]
    suite = Xml.Element("testsuite", name=f"mockhub verify ({report.level})", tests=str(len(cases)))
    for name, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(name, str(sum(case.find(tag) is not None for case in cases)))
    suite.set("time", f"{report.seconds:.3f}")
    _add_properties(suite, seed=report.seed, level=report.level, target=report.target)
    suite.extend(cases)
    Xml.indent(suite)
    return report.secrets.redact(f"{_DECLARATION}\n{Xml.tostring(suite, 'unicode')}")


def _case(report: Report, clause: ClauseResult) -> Xml.Element:
    group = clause.id.partition("-")[0]
    name = printable(f"{clause.id}: {clause.statement}")
    case = Xml.Element("testcase", classname=group, name=name, time=f"{clause.seconds:.3f}")
    _add_properties(case, seed=report.seed, level=clause.level)
    if tag := "skipped" if report.is_known(clause) else _TAGS.get(clause.outcome):
        node = Xml.SubElement(case, tag, message=printable(clause.reason))
        lines = (clause.reading, *clause.evidence_lines())
        node.text = "\n".join(printable(line, keep="\n") for line in lines)
    return case


def _add_properties(element: Xml.Element, **values: object) -> None:
    properties = Xml.SubElement(element, "properties")
    for name, value in values.items():
        Xml.SubElement(properties, "property", name=name, value=printable(str(value)))

"""The reports of a proxy at its exit: findings about service and client, and what was spent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as Xml

from mockhub._templates import render_template
from mockhub._text import plural, printable
from mockhub.client_report.detectors import Finding as ClientFinding
from mockhub.client_report.report import build_report, format_exchange_numbers
from mockhub.proxy.checks import CHECKS
from mockhub.proxy.findings import SEVERITIES, Finding

if TYPE_CHECKING:
    from mockhub.proxy.api import ProxyApi

_TEMPLATE = Path(__file__).with_name("templates") / "report.html.j2"


def client_findings(findings: list[Finding]) -> Iterator[ClientFinding]:
    """Yield the findings about the service in the form of the client report."""
    for finding in findings:
        problem = finding.problem
        clause = problem.clauses[0] if problem.clauses else "ERR-1"
        yield ClientFinding(
            f"service_{problem.kind}",
            problem.severity,
            f"{', '.join(problem.clauses)}: {problem.message}"
            + (f" ({finding.count} times)" if finding.count > 1 else ""),
            f"The documentation says: {statement(clause)}.",
            f"Show it to the service; `mockhub explain {clause}` has the whole clause.",
            tuple(finding.exchange_numbers),
        )


def statement(clause_id: str) -> str:
    from mockhub.verify.clauses import clauses  # reads a file

    clause = clauses().get(clause_id)
    return clause.statement if clause else clause_id


def as_json(api: ProxyApi, target: str) -> dict[str, object]:
    """Return the report as JSON-compatible data."""
    return {
        "target": target,
        "exchanges": api.hub.journal.total,
        "violations": api.findings.count("violation"),
        "warnings": api.findings.count("warning"),
        "credits": api.guard.state.as_json(),
        "findings": [finding.as_json() for finding in api.findings],
        "client": build_report(api.hub).as_json(),
    }


def render_json(api: ProxyApi, target: str) -> str:
    return json.dumps(as_json(api, target), indent=2) + "\n"


def render_junit(api: ProxyApi, target: str) -> str:
    """Render JUnit XML: a test case for each check that found nothing, and for each finding.

    A violation is a failure; a warning is skipped, with its text.
    """
    suite = Xml.Element("testsuite", name=f"mockhub proxy {target}")
    for check in CHECKS:
        Xml.SubElement(suite, "testcase", classname="checks", name=check.__name__)
    for finding in api.findings:
        problem = finding.problem
        name = f"{', '.join(problem.clauses)} {problem.kind} {problem.place}".strip()
        case = Xml.SubElement(suite, "testcase", classname=finding.operation, name=printable(name))
        tag = "failure" if problem.severity == "violation" else "skipped"
        node = Xml.SubElement(case, tag, message=printable(problem.message))
        node.text = f"exchanges {format_exchange_numbers(tuple(finding.exchange_numbers))}"
    suite.set("tests", str(len(suite)))
    suite.set("failures", str(api.findings.count("violation")))
    suite.set("skipped", str(api.findings.count("warning")))
    Xml.indent(suite)
    return f"<?xml version='1.0' encoding='utf-8'?>\n{Xml.tostring(suite, 'unicode')}\n"


def render_html(api: ProxyApi, target: str) -> str:
    """Render a page without external resources."""
    return render_template(
        _TEMPLATE,
        keep="",
        report=as_json(api, target),
        statement=statement,
        numbers=lambda numbers: format_exchange_numbers(tuple(numbers)),
    )


def summary(api: ProxyApi) -> str:
    """Return what the proxy prints at its end."""
    counts = [plural(api.hub.journal.total, "exchange")]
    counts += [plural(api.findings.count(severity), severity) for severity in SEVERITIES]
    counts.append(f"{plural(api.guard.state.spent, 'credit')} spent")
    lines = [", ".join(counts)]
    for finding in api.findings:
        problem = finding.problem
        numbers = format_exchange_numbers(tuple(finding.exchange_numbers))
        clauses = ", ".join(problem.clauses)
        lines.append(
            f"{problem.severity}: {clauses} {problem.kind}, {finding.operation}, {numbers}"
        )
        lines.append(f"  {printable(problem.message)}")
    return "\n".join(lines)

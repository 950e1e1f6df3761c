"""SARIF 2.1.0 report, for code scanning: one result for each finding."""

from __future__ import annotations

from hashlib import sha256

from mockhub import __version__
from mockhub._text import printable, to_printable_json
from mockhub.verify.clauses import DOCUMENTED, clauses
from mockhub.verify.findings import Finding
from mockhub.verify.report import Report

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def sarif(report: Report, *, artifact: str) -> str:
    """Render *report* as SARIF.

    Args:
        artifact: The file that results are shown at, such as the profile: a server has none.
    """
    findings = [(finding, False) for finding in report.findings]
    findings += [(finding, True) for finding in report.known_findings]
    rule_ids = sorted({finding.clause.id for finding, _ in findings})
    driver = {
        "name": "mockhub verify",
        "version": __version__,
        "informationUri": "https://pypi.org/project/mockhub/",
        "rules": [_rule(clause_id) for clause_id in rule_ids],
    }
    run = {
        "tool": {"driver": driver},
        "invocations": [{"executionSuccessful": not report.interrupted}],
        "properties": {"target": report.target, "level": report.level, "seed": report.seed},
        "results": [_result(report, *finding, rule_ids, artifact) for finding in findings],
    }
    document = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}
    return report.secrets.redact(to_printable_json(document))


def _rule(clause_id: str) -> dict[str, object]:
    clause = clauses()[clause_id]
    return {
        "id": clause_id,
        "shortDescription": {"text": clause.statement},
        "help": {"text": f"mockhub explain {clause_id}"},
        "properties": {"level": clause.level},
    }


def _result(
    report: Report, finding: Finding, is_known: bool, rule_ids: list[str], artifact: str
) -> dict[str, object]:
    clause_id, check = finding.clause.id, finding.result.name
    region = {"startLine": 1}
    location = {
        "physicalLocation": {"artifactLocation": {"uri": artifact}, "region": region},
        "logicalLocations": [{"fullyQualifiedName": f"{clause_id}:{check}"}],
    }
    lines = (finding.result.message, finding.reading, *finding.other_lines())
    result: dict[str, object] = {
        "ruleId": clause_id,
        "ruleIndex": rule_ids.index(clause_id),
        "level": "error" if finding.level == DOCUMENTED else "warning",
        "message": {"text": "\n".join(printable(line) for line in lines)},
        "locations": [location],
        "partialFingerprints": {"check/v1": sha256(f"{clause_id}:{check}".encode()).hexdigest()},
        "properties": {"clauses": [*finding.clause_ids], "touched": [*finding.touched]},
    }
    if is_known:
        reason = report.acceptance_of(finding)
        result["suppressions"] = [{"kind": "external", "justification": reason}]
    return result

"""Compare the report of a run with an older one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NotRequired, TypedDict, cast

from mockhub.exceptions import MockhubError
from mockhub.verify.outcomes import Outcome
from mockhub.verify.report import Report


class _SavedCheck(TypedDict):
    name: str
    outcome: str
    clause: NotRequired[str]


class _SavedClause(TypedDict):
    id: str
    outcome: str
    checks: NotRequired[list[_SavedCheck]]


class SavedReport(TypedDict):
    """The part of a JSON report that a comparison needs."""

    level: str
    clauses: list[_SavedClause]
    observed: NotRequired[dict[str, list[str]]]


def read_report(path: Path) -> SavedReport:
    """Read a report that `--report-json` wrote.

    Raises:
        MockhubError: if the file cannot be read or is not such a report.
    """
    try:
        report = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise MockhubError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise MockhubError(f"{path}: not JSON: {error}") from None
    if not isinstance(report, dict) or not isinstance(report.get("clauses"), list):
        raise MockhubError(f"{path}: not a report of mockhub verify --report-json")
    return cast(SavedReport, report)


def known_failures(report: SavedReport) -> frozenset[tuple[str, str]]:
    """Return the clause and the name of each check that failed or was inconclusive."""
    return frozenset(
        (check.get("clause", clause["id"]), check["name"])
        for clause in report["clauses"]
        for check in clause.get("checks", ())
        if check["outcome"] in (Outcome.FAILED, Outcome.INCONCLUSIVE)
    )


def diff(old_report: SavedReport, new_report: Report) -> Iterator[str]:
    """Describe each clause whose outcome changed, and each value that appeared or vanished."""
    if old_report.get("level") != new_report.level:
        yield f"level: {old_report.get('level')} -> {new_report.level}"
    old_outcomes = {clause["id"]: clause.get("outcome") for clause in old_report["clauses"]}
    for clause in new_report.clauses:
        old_outcome = old_outcomes.get(clause.id, "skipped")
        if old_outcome != clause.outcome:
            reason = f": {clause.reason}" if clause.reason else ""
            yield f"{clause.id}: {old_outcome} -> {clause.outcome}{reason}"
    old_observed = old_report.get("observed") or {}
    for category, new_values in new_report.observed.items():
        old_values = set(old_observed.get(category, ()))
        for value in sorted(set(new_values) - old_values):
            yield f"{category}: {value} appears"
        for value in sorted(old_values - set(new_values)):
            yield f"{category}: {value} vanished"

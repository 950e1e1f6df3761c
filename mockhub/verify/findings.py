"""Findings: the failures of a run, grouped by their cause, with the clause that each is about."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from mockhub.verify.clauses import INFERRED, Clause, clauses
from mockhub.verify.outcomes import Outcome
from mockhub.verify.results import CheckResult, reading

_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True)
class Finding:
    """One cause of failures.

    Attributes:
        result: The failed check that shows the cause best.
        others: Further checks that failed for the same cause.
    """

    result: CheckResult
    others: tuple[CheckResult, ...] = ()

    @property
    def clause(self) -> Clause:
        """The clause that the implementation violates."""
        return clauses()[self.result.failed_clause]

    @property
    def level(self) -> str:
        """The level of the run that would find it: `inferred` if its check or its clause is."""
        return INFERRED if self.clause.level == INFERRED else self.result.level

    @property
    def clause_ids(self) -> tuple[str, ...]:
        """The clauses that failed for this cause, in the order in which they were found."""
        results = (self.result, *self.others)
        return tuple(dict.fromkeys(result.failed_clause for result in results))

    @property
    def touched(self) -> tuple[str, ...]:
        """Further clauses of the failed checks, which did not fail themselves."""
        names = [name for result in (self.result, *self.others) for name in result.clauses]
        return tuple(name for name in dict.fromkeys(names) if name not in self.clause_ids)

    @property
    def reading(self) -> str:
        """What the documentation says, or how it is read where it leaves the point open."""
        return reading(self.clause, self.result)

    @property
    def explain_command(self) -> str:
        return f"mockhub explain {self.clause.id}"

    def other_lines(self) -> Iterator[str]:
        """Describe each further failure of the same cause in one line."""
        for result in self.others:
            yield f"{result.failed_clause}: {result.message} ({result.name})"

    def as_json(self) -> dict[str, object]:
        result = self.result
        return {
            "clause": self.clause.id,
            "level": self.level,
            "check": result.name,
            "message": result.message,
            "expected": result.expected,
            "reading": self.reading,
            "clauses": list(self.clause_ids),
            "touched": list(self.touched),
            "others": [
                {"clause": other.failed_clause, "check": other.name, "message": other.message}
                for other in self.others
            ],
            "exchanges": [exchange.as_json() for exchange in result.evidence],
            "concurrent": list(result.concurrent),
        }


def group_by_cause(results: Iterable[CheckResult]) -> tuple[Finding, ...]:
    """Group failed checks by their cause, in the order in which they failed.

    A rejected valid request shows a cause more directly than a wrong error does. What explains
    rejections of several kinds of requests is one cause.
    """
    groups: dict[tuple[object, ...], list[CheckResult]] = {}
    for result in results:
        if result.outcome == Outcome.FAILED:
            groups.setdefault(_cause(result), []).append(result)
    merged: dict[object, list[CheckResult]] = {}
    for cause, group in groups.items():
        best = min(group, key=_directness)
        merged.setdefault(best.rejected_with or cause, []).extend(group)
    findings = []
    for group in merged.values():
        best = min(group, key=_directness)
        others = tuple(result for result in group if result is not best)
        findings.append(Finding(best, others))
    return tuple(findings)


def _directness(result: CheckResult) -> tuple[bool, bool, bool]:
    return result.level == INFERRED, not result.rejected_with, result.rejected_with is None


def _cause(result: CheckResult) -> tuple[object, ...]:
    """Return what failures of one cause share: a request of one kind with one error response."""
    if not result.evidence:
        return (result.name,)
    exchange = result.evidence[0]
    request = exchange.request
    path = urlsplit(request.url).path.rpartition("/api/v1/")[2].partition("/")[0]
    headers = {name.lower(): value for name, value in request.headers.items()}
    kind = (request.method, path, headers.get("content-type", "").partition(";")[0])
    if result.failed_clause == "ERR-1":
        return ("ERR-1",)
    if exchange.error or exchange.status >= 400:
        return (*kind, exchange.error, exchange.status, _NUMBER.sub("#", exchange.text[:500]))
    if "HTTP " in result.message:  # accepted instead of rejected
        return ("accepted", result.failed_clause)
    if path == "credits" and result.failed_clause.startswith("LED-"):
        return ("balance", result.failed_clause)
    return (request.method, path, exchange.status, _NUMBER.sub("#", result.message))

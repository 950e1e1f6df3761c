"""Findings about the service: what contradicts the documentation in exchanges through the proxy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, get_args

Severity = Literal["violation", "warning"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)

_MAX_FINDINGS = 1000
_MAX_NUMBERS = 100


class Problem(NamedTuple):
    """One thing that is wrong in one exchange.

    Attributes:
        kind: What is wrong, such as ``wrong_usage``.
        clauses: The clauses of the documentation that it breaks.
        message: A sentence with the values.
        severity: ``warning`` if something besides the service may be the reason.
        place: The place in the response; problems of one kind, clauses and place are one finding.
    """

    kind: str
    clauses: tuple[str, ...]
    message: str
    severity: Severity = "violation"
    place: str = ""


@dataclass
class Finding:
    """A problem, with the exchanges of the journal that show it.

    Attributes:
        problem: The first one that was found.
        operation: The operation of the API.
        count: How often it was found.
        exchange_numbers: The first exchanges that show it.
    """

    problem: Problem
    operation: str
    count: int = 0
    exchange_numbers: list[int] = field(default_factory=list)

    def as_json(self) -> dict[str, object]:
        return {
            **self.problem._asdict(),
            "operation": self.operation,
            "count": self.count,
            "exchange_numbers": list(self.exchange_numbers),
        }


class Findings:
    """All findings of a proxy, bounded by number."""

    def __init__(self) -> None:
        self._findings: dict[tuple[object, ...], Finding] = {}

    def add(self, problems: Iterable[Problem], operation: str, number: int) -> None:
        """Add the problems of one exchange."""
        for problem in problems:
            key = (problem.kind, problem.clauses, problem.severity, operation, problem.place)
            if key not in self._findings and len(self._findings) >= _MAX_FINDINGS:
                continue
            finding = self._findings.setdefault(key, Finding(problem, operation))
            finding.count += 1
            if len(finding.exchange_numbers) < _MAX_NUMBERS:
                finding.exchange_numbers.append(number)

    def __iter__(self) -> Iterator[Finding]:
        """Iterate over them, violations first."""
        return iter(sorted(self._findings.values(), key=_order))

    def count(self, severity: Severity) -> int:
        return sum(one.problem.severity == severity for one in self._findings.values())


def _order(finding: Finding) -> tuple[int, int]:
    return SEVERITIES.index(finding.problem.severity), finding.exchange_numbers[0]

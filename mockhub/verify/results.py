"""The results of checks, and of the clauses that they decide."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache

from mockhub.verify import oracle
from mockhub.verify.clauses import DOCUMENTED, INFERRED, Clause, clauses
from mockhub.verify.exchange import Exchange
from mockhub.verify.outcomes import Outcome
from mockhub.verify.secrets import Secrets

WORST_FIRST = (Outcome.FAILED, Outcome.INCONCLUSIVE, Outcome.PASSED, Outcome.SKIPPED)


@dataclass(frozen=True)
class CheckResult:
    """How one check ended.

    Attributes:
        evidence: The exchanges that show it.
        clauses: The clauses that the check decides.
        clause: The clause that it failed for, if that is not the first one. It may be one that
            the check does not decide.
        rejected_with: See `CheckOutcome`.
        concurrent: Requests that were sent while the evidence was in progress, one line each.
    """

    name: str
    outcome: Outcome
    message: str = ""
    evidence: tuple[Exchange, ...] = ()
    expected: str = ""
    description: str = ""
    clauses: tuple[str, ...] = ()
    level: str = DOCUMENTED
    clause: str = ""
    rejected_with: str | None = None
    concurrent: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def failed_clause(self) -> str:
        """The clause that a failure of it is about."""
        return self.clause or self.clauses[0]

    def touches(self, clause_id: str) -> bool:
        """Return whether it failed for another clause, and so says nothing about this one."""
        return self.outcome == Outcome.FAILED and clause_id != self.failed_clause

    def redacted(self, secrets: Secrets) -> CheckResult:
        return replace(
            self, message=secrets.redact(self.message), expected=secrets.redact(self.expected)
        )

    def as_json(self) -> dict[str, object]:
        result: dict[str, object] = {"name": self.name, "outcome": self.outcome.value}
        if self.message:
            result["message"] = self.message
        if self.outcome == Outcome.FAILED:
            result["clause"] = self.failed_clause
        return result


@dataclass(frozen=True)
class ClauseResult:
    """The results of all checks of one clause."""

    id: str
    level: str
    statement: str
    checks: tuple[CheckResult, ...]
    required_level: str = ""  # the level that includes the clause, if that of this run does not

    @property
    def outcome(self) -> Outcome:
        """The worst outcome of its checks; a clause without a check is skipped."""
        outcomes = {check.outcome for check in self._deciding_checks}
        return next((outcome for outcome in WORST_FIRST if outcome in outcomes), self._default)

    @property
    def _deciding_checks(self) -> list[CheckResult]:
        """The checks that did not fail for another clause."""
        return [check for check in self.checks if not check.touches(self.id)]

    @property
    def _default(self) -> Outcome:
        return Outcome.INCONCLUSIVE if self.is_touched else Outcome.SKIPPED

    @property
    def is_touched(self) -> bool:
        """Whether one of its checks failed for another clause."""
        return any(check.touches(self.id) for check in self.checks)

    @property
    def deciding(self) -> CheckResult | None:
        """The first check with the outcome of the clause."""
        return next(
            (check for check in self._deciding_checks if check.outcome == self.outcome), None
        )

    @property
    def is_selected(self) -> bool:
        """Whether the level and `-k` include it in this run."""
        return bool(self.checks)

    @property
    def reading(self) -> str:
        """What the documentation says, or how it is read where it leaves the point open."""
        return reading(clauses()[self.id], self.deciding)

    @property
    def seconds(self) -> float:
        """The time that its checks took."""
        return sum(check.seconds for check in self.checks)

    @property
    def reason(self) -> str:
        """Why it did not pass, as a sentence, or ""."""
        if self.outcome == Outcome.PASSED:
            return ""
        if self.deciding:
            return self.deciding.message
        for check in self.checks:
            if check.touches(self.id):
                return f"not decided: {check.name} failed for {check.failed_clause}"
        if self.required_level:
            return f"checked at --level {self.required_level} only"
        return "no check of this run covers it"

    def evidence_lines(self) -> Iterator[str]:
        """Describe the deciding exchanges and what was expected."""
        if self.deciding is not None:
            yield from evidence_lines(self.deciding)

    def as_json(self) -> dict[str, object]:
        evidence = None
        if self.deciding and self.outcome in (Outcome.FAILED, Outcome.INCONCLUSIVE):
            evidence = {
                "message": self.deciding.message,
                "expected": self.deciding.expected,
                "exchanges": [exchange.as_json() for exchange in self.deciding.evidence],
            }
        return {
            "id": self.id,
            "level": self.level,
            "outcome": self.outcome.value,
            "statement": self.statement,
            "reading": self.reading,
            "reason": self.reason,
            "checks": [check.as_json() for check in self.checks],
            "evidence": evidence,
        }


def reading(clause: Clause, result: CheckResult | None = None) -> str:
    """Return what the documentation says, or how it is read where it leaves a point open."""
    if clause.level == INFERRED:
        why = _assumptions().get(clause.id, "it is the natural interpretation")
        return f"the documentation leaves it open; read here as: {clause.statement}; because: {why}"
    says = f"the documentation says: {clause.statement}"
    if result and result.level == INFERRED:
        return f"{says}; it leaves the rest open, read here as: {result.description}"
    return says


@cache
def _assumptions() -> dict[str, str]:
    """Return by clause why the spec assumes what the documentation leaves open.

    An assumption about few clauses is the closest one.
    """
    reasons: dict[str, str] = {}
    for assumption in sorted(oracle.api_spec().assumptions(), key=lambda one: len(one.clauses)):
        for clause_id in assumption.clauses:
            reasons.setdefault(clause_id, " ".join(assumption.why.split()).rstrip("."))
    return reasons


def evidence_lines(result: CheckResult) -> Iterator[str]:
    """Describe the exchanges of a check and what was expected."""
    for exchange in result.evidence:
        yield exchange.curl()
        yield exchange.describe()
        if exchange.headers:
            yield exchange.describe_headers()
    if result.concurrent:
        yield "sent at the same time: " + "; ".join(result.concurrent)
    if result.expected:
        yield f"expected: {result.expected}"


def group_by_clause(results: Iterable[CheckResult], level: str) -> tuple[ClauseResult, ...]:
    """Collect the results of the checks under their clauses, in the order of clauses.yaml."""
    results_by_clause: dict[str, list[CheckResult]] = {clause_id: [] for clause_id in clauses()}
    for result in results:
        for clause_id in dict.fromkeys((*result.clauses, result.failed_clause)):
            results_by_clause[clause_id].append(result)
    return tuple(
        ClauseResult(
            clause.id,
            clause.level,
            clause.statement,
            tuple(results_by_clause[clause.id]),
            clause.level if level == DOCUMENTED != clause.level else "",
        )
        for clause in clauses().values()
    )

"""What a run has found: verdicts by clause, with their evidence."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from mockhub.verify.clauses import clauses
from mockhub.verify.exchange import Exchange
from mockhub.verify.outcomes import FAILED, INCONCLUSIVE, PASSED, SKIPPED

_WORST_FIRST = (FAILED, INCONCLUSIVE, PASSED, SKIPPED)
EXIT_OK, EXIT_FAILED, EXIT_ERROR, EXIT_INCONCLUSIVE = 0, 1, 2, 3


@dataclass(frozen=True)
class CheckResult:
    """How one check ended."""

    name: str
    outcome: str
    message: str = ""
    evidence: tuple[Exchange, ...] = ()
    expected: str = ""
    description: str = ""
    clauses: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        result: dict[str, Any] = {"name": self.name, "outcome": self.outcome}
        if self.message:
            result["message"] = self.message
        return result


@dataclass(frozen=True)
class ClauseResult:
    """What the checks of one clause say together."""

    id: str
    level: str
    statement: str
    checks: tuple[CheckResult, ...]
    required_level: str = ""  # the level from which on the clause is asked, if this run was below

    @property
    def outcome(self) -> str:
        """The worst that a check says; a clause without a check was not asked."""
        outcomes = {check.outcome for check in self.checks}
        return next((outcome for outcome in _WORST_FIRST if outcome in outcomes), SKIPPED)

    @property
    def deciding(self) -> CheckResult | None:
        """The first check that ended with the clause's verdict."""
        return next((check for check in self.checks if check.outcome == self.outcome), None)

    @property
    def is_selected(self) -> bool:
        """Whether this run was to ask it: its level and -k let it through."""
        return bool(self.checks)

    @property
    def reason(self) -> str:
        """Why it did not pass, as a sentence, or nothing."""
        if self.outcome == PASSED:
            return ""
        if self.deciding:
            return self.deciding.message
        if self.required_level:
            return f"asked at --level {self.required_level} only"
        return "no check of this run asks it"

    def as_json(self) -> dict[str, Any]:
        evidence = None
        if self.deciding and self.outcome in (FAILED, INCONCLUSIVE):
            evidence = {
                "message": self.deciding.message,
                "expected": self.deciding.expected,
                "exchanges": [exchange.as_json() for exchange in self.deciding.evidence],
            }
        return {
            "id": self.id,
            "level": self.level,
            "outcome": self.outcome,
            "statement": self.statement,
            "reason": self.reason,
            "checks": [check.as_json() for check in self.checks],
            "evidence": evidence,
        }


@dataclass(frozen=True)
class Report:
    """The outcome of a run."""

    target: str
    level: str
    seed: int
    clauses: tuple[ClauseResult, ...]
    credits_spent: int
    budget: int
    requests: int
    seconds: float
    interrupted: bool = False
    observed: dict[str, list[str]] = field(default_factory=dict)  # statuses, codes and fields met

    @property
    def exit_code(self) -> int:
        """0 conforms, 1 something is broken, 3 nothing broken but something inconclusive."""
        outcomes = {clause.outcome for clause in self.clauses}
        if FAILED in outcomes:
            return EXIT_FAILED
        return EXIT_INCONCLUSIVE if INCONCLUSIVE in outcomes or self.interrupted else EXIT_OK

    def worst_first(self) -> list[ClauseResult]:
        """All clauses: the broken ones, the inconclusive, the passed, those not asked."""
        return [clause for outcome in _WORST_FIRST for clause in self.with_outcome(outcome)]

    def with_outcome(self, *outcomes: str) -> list[ClauseResult]:
        """The clauses with one of *verdicts*."""
        return [clause for clause in self.clauses if clause.outcome in outcomes]

    def as_json(self) -> dict[str, Any]:
        """The report as DESIGN fixes it, and what else is known."""
        return {
            "target": self.target,
            "level": self.level,
            "seed": self.seed,
            "credits_spent": self.credits_spent,
            "budget": self.budget,
            "requests": self.requests,
            "seconds": round(self.seconds, 2),
            "exit_code": self.exit_code,
            "interrupted": self.interrupted,
            "clauses": [clause.as_json() for clause in self.clauses],
            "observed": self.observed,
        }


def group_by_clause(results: Iterable[CheckResult], level: str) -> tuple[ClauseResult, ...]:
    """Sort the results of checks under their clauses, in the order of the page."""
    results_by_clause: dict[str, list[CheckResult]] = {clause_id: [] for clause_id in clauses()}
    for result in results:
        for clause_id in result.clauses:
            results_by_clause[clause_id].append(result)
    return tuple(
        ClauseResult(
            clause.id,
            clause.level,
            clause.statement,
            tuple(results_by_clause[clause.id]),
            clause.level if clause.level != level and level == "documented" else "",
        )
        for clause in clauses().values()
    )


def observed_values(exchanges: Iterable[Exchange]) -> dict[str, list[str]]:
    """Which statuses, error codes and fields the answers had, for comparing two runs."""
    statuses: set[str] = set()
    codes: set[str] = set()
    fields: set[str] = set()
    for exchange in exchanges:
        if exchange.error or "/api/v1/" not in exchange.request.url:
            continue
        statuses.add(f"{exchange.request.method} {exchange.status}")
        try:
            body = exchange.parse_json()
        except ValueError:
            continue
        fields |= {f"{exchange.status} {path}" for path in _field_paths(body)}
        error = body.get("error") if isinstance(body, dict) else None
        if isinstance(error, dict) and isinstance(error.get("code"), str):
            codes.add(error["code"])
    return {"statuses": sorted(statuses), "codes": sorted(codes), "fields": sorted(fields)}


def _field_paths(value: Any, prefix: str = "") -> Iterable[str]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield f"{prefix}{name}"
            yield from _field_paths(item, f"{prefix}{name}.")
    elif isinstance(value, list):
        for item in value:
            yield from _field_paths(item, prefix)

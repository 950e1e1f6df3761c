"""What a run has found: verdicts by clause, with their evidence."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from .clauses import clauses
from .exchange import Exchange
from .verdicts import BROKEN, INCONCLUSIVE, NOT_ASKED, PASSED

_WORST_FIRST = (BROKEN, INCONCLUSIVE, PASSED, NOT_ASKED)
CONFORMS, BREAKS, COULD_NOT_RUN, OPEN = 0, 1, 2, 3


@dataclass(frozen=True)
class CheckResult:
    """How one check ended."""

    name: str
    verdict: str
    message: str = ""
    evidence: tuple[Exchange, ...] = ()
    expected: str = ""
    says: str = ""
    clauses: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {"name": self.name, "verdict": self.verdict}
        if self.message:
            found["message"] = self.message
        return found


@dataclass(frozen=True)
class ClauseResult:
    """What the checks of one clause say together."""

    id: str
    level: str
    says: str
    checks: tuple[CheckResult, ...]
    asked_at: str = ""  # the level from which on the clause is asked, if this run was below

    @property
    def verdict(self) -> str:
        """The worst that a check says; a clause without a check was not asked."""
        found = {check.verdict for check in self.checks}
        return next((word for word in _WORST_FIRST if word in found), NOT_ASKED)

    @property
    def deciding(self) -> CheckResult | None:
        """The first check that ended with the clause's verdict."""
        return next((check for check in self.checks if check.verdict == self.verdict), None)

    @property
    def asked(self) -> bool:
        """Whether this run was to ask it: its level and -k let it through."""
        return bool(self.checks)

    @property
    def why(self) -> str:
        """Why it did not pass, as a sentence, or nothing."""
        if self.verdict == PASSED:
            return ""
        if self.deciding:
            return self.deciding.message
        if self.asked_at:
            return f"asked at --level {self.asked_at} only"
        return "no check of this run asks it"

    def as_json(self) -> dict[str, Any]:
        evidence = None
        if self.deciding and self.verdict in (BROKEN, INCONCLUSIVE):
            evidence = {
                "message": self.deciding.message,
                "expected": self.deciding.expected,
                "exchanges": [exchange.as_json() for exchange in self.deciding.evidence],
            }
        return {
            "id": self.id,
            "level": self.level,
            "verdict": self.verdict,
            "says": self.says,
            "why": self.why,
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
    seen: dict[str, list[str]] = field(default_factory=dict)  # statuses, codes and fields met

    @property
    def exit_code(self) -> int:
        """0 conforms, 1 something is broken, 3 nothing broken but something inconclusive."""
        found = {clause.verdict for clause in self.clauses}
        if BROKEN in found:
            return BREAKS
        return OPEN if INCONCLUSIVE in found or self.interrupted else CONFORMS

    def worst_first(self) -> list[ClauseResult]:
        """All clauses: the broken ones, the inconclusive, the passed, those not asked."""
        return [clause for verdict in _WORST_FIRST for clause in self.of(verdict)]

    def of(self, *verdicts: str) -> list[ClauseResult]:
        """The clauses with one of *verdicts*."""
        return [clause for clause in self.clauses if clause.verdict in verdicts]

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
            "seen": self.seen,
        }


def by_clause(results: Iterable[CheckResult], level: str) -> tuple[ClauseResult, ...]:
    """Sort the results of checks under their clauses, in the order of the page."""
    found: dict[str, list[CheckResult]] = {name: [] for name in clauses()}
    for result in results:
        for name in result.clauses:
            found[name].append(result)
    return tuple(
        ClauseResult(
            clause.id,
            clause.level,
            clause.says,
            tuple(found[clause.id]),
            clause.level if clause.level != level and level == "documented" else "",
        )
        for clause in clauses().values()
    )


def seen(exchanges: Iterable[Exchange]) -> dict[str, list[str]]:
    """Which statuses, error codes and fields the answers had, for comparing two runs."""
    statuses: set[str] = set()
    codes: set[str] = set()
    fields: set[str] = set()
    for exchange in exchanges:
        if exchange.lost or "/api/v1/" not in exchange.ask.url:
            continue
        statuses.add(f"{exchange.ask.method} {exchange.status}")
        try:
            body = exchange.parsed()
        except ValueError:
            continue
        fields |= {f"{exchange.status} {path}" for path in _paths(body)}
        error = body.get("error") if isinstance(body, dict) else None
        if isinstance(error, dict) and isinstance(error.get("code"), str):
            codes.add(error["code"])
    return {"statuses": sorted(statuses), "codes": sorted(codes), "fields": sorted(fields)}


def _paths(value: Any, at: str = "") -> Iterable[str]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield f"{at}{name}"
            yield from _paths(item, f"{at}{name}.")
    elif isinstance(value, list):
        for item in value:
            yield from _paths(item, at)

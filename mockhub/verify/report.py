"""The report of a run: outcomes by clause, with the evidence for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from mockhub._text import to_printable_json
from mockhub.verify.clauses import DOCUMENTED, clauses
from mockhub.verify.exchange import Exchange
from mockhub.verify.outcomes import Outcome
from mockhub.verify.secrets import Secrets

EXIT_OK, EXIT_FAILED, EXIT_ERROR, EXIT_INCONCLUSIVE = 0, 1, 2, 3

_WORST_FIRST = (Outcome.FAILED, Outcome.INCONCLUSIVE, Outcome.PASSED, Outcome.SKIPPED)
_CONCLUSIONS = {EXIT_OK: "conforms", EXIT_FAILED: "failed", EXIT_INCONCLUSIVE: "inconclusive"}


@dataclass(frozen=True)
class CheckResult:
    """How one check ended."""

    name: str
    outcome: Outcome
    message: str = ""
    evidence: tuple[Exchange, ...] = ()
    expected: str = ""
    description: str = ""
    clauses: tuple[str, ...] = ()

    def redacted(self, secrets: Secrets) -> CheckResult:
        return replace(
            self, message=secrets.redact(self.message), expected=secrets.redact(self.expected)
        )

    def as_json(self) -> dict[str, str]:
        result = {"name": self.name, "outcome": self.outcome.value}
        if self.message:
            result["message"] = self.message
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
        outcomes = {check.outcome for check in self.checks}
        return next((outcome for outcome in _WORST_FIRST if outcome in outcomes), Outcome.SKIPPED)

    @property
    def deciding(self) -> CheckResult | None:
        """The first check with the outcome of the clause."""
        return next((check for check in self.checks if check.outcome == self.outcome), None)

    @property
    def is_selected(self) -> bool:
        """Whether the level and `-k` include it in this run."""
        return bool(self.checks)

    @property
    def reason(self) -> str:
        """Why it did not pass, as a sentence, or ""."""
        if self.outcome == Outcome.PASSED:
            return ""
        if self.deciding:
            return self.deciding.message
        if self.required_level:
            return f"checked at --level {self.required_level} only"
        return "no check of this run covers it"

    @property
    def explain_command(self) -> str:
        return f"mockhub explain {self.id}"

    def evidence_lines(self) -> Iterator[str]:
        """Describe the deciding exchanges and what was expected."""
        if self.deciding is None:
            return
        for exchange in self.deciding.evidence:
            yield exchange.curl()
            yield exchange.describe()
        if self.deciding.expected:
            yield f"expected: {self.deciding.expected}"

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
            "reason": self.reason,
            "checks": [check.as_json() for check in self.checks],
            "evidence": evidence,
        }


@dataclass(frozen=True)
class Report:
    """The result of a run.

    Attributes:
        credits_spent: The credits that were seen to leave the balances.
        credits_unconfirmed: What requests may have cost in addition; no balance shows it.
        budget: The credits that the run was allowed to spend.
        requests: The number of requests that were sent.
        observed: The statuses, error codes and fields that occurred in responses.
        secrets: Removes keys from whatever a reporter writes.
    """

    target: str
    level: str
    seed: int
    clauses: tuple[ClauseResult, ...]
    credits_spent: int
    budget: int
    requests: int
    seconds: float
    interrupted: bool = False
    credits_unconfirmed: int = 0
    observed: dict[str, list[str]] = field(default_factory=dict)
    secrets: Secrets = field(default_factory=Secrets, repr=False, compare=False)

    @property
    def exit_code(self) -> int:
        """0 conforms, 1 a clause failed, 3 nothing failed but something is inconclusive."""
        outcomes = {clause.outcome for clause in self.clauses}
        if Outcome.FAILED in outcomes:
            return EXIT_FAILED
        if Outcome.INCONCLUSIVE in outcomes or self.interrupted:
            return EXIT_INCONCLUSIVE
        return EXIT_OK

    @property
    def title(self) -> str:
        return f"mockhub verify: {_CONCLUSIONS[self.exit_code]}"

    @property
    def summary(self) -> str:
        """The numbers of the run, in one line."""
        counts = ", ".join(
            f"{len(self.with_outcome(outcome))} {outcome}"
            for outcome in (Outcome.PASSED, Outcome.FAILED, Outcome.INCONCLUSIVE, Outcome.SKIPPED)
        )
        credits_text = f"{self.credits_spent} of {self.budget} credits"
        if self.credits_unconfirmed:
            credits_text += f" left the balances and up to {self.credits_unconfirmed} are unknown"
        return (
            f"{counts}; {credits_text}, "
            f"{self.requests} requests, {self.seconds:.1f} s, seed {self.seed}."
            f"{' Interrupted.' if self.interrupted else ''}"
        )

    def worst_first(self) -> list[ClauseResult]:
        """All clauses: failed, inconclusive, passed, skipped."""
        return [clause for outcome in _WORST_FIRST for clause in self.with_outcome(outcome)]

    def with_outcome(self, *outcomes: Outcome | str) -> list[ClauseResult]:
        return [clause for clause in self.clauses if clause.outcome in outcomes]

    def as_json(self) -> dict[str, object]:
        return {
            "target": self.target,
            "level": self.level,
            "seed": self.seed,
            "credits_spent": self.credits_spent,
            "credits_unconfirmed": self.credits_unconfirmed,
            "budget": self.budget,
            "requests": self.requests,
            "seconds": round(self.seconds, 2),
            "exit_code": self.exit_code,
            "interrupted": self.interrupted,
            "clauses": [clause.as_json() for clause in self.clauses],
            "observed": self.observed,
        }

    def as_json_text(self) -> str:
        """Return the report as a JSON document without keys."""
        return self.secrets.redact(to_printable_json(self.as_json()))


def group_by_clause(results: Iterable[CheckResult], level: str) -> tuple[ClauseResult, ...]:
    """Collect the results of the checks under their clauses, in the order of clauses.yaml."""
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
            clause.level if level == DOCUMENTED != clause.level else "",
        )
        for clause in clauses().values()
    )


def observed_values(exchanges: Iterable[Exchange]) -> dict[str, list[str]]:
    """Collect the statuses, error codes and fields of responses, to compare two runs."""
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


def _field_paths(value: object, prefix: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield f"{prefix}{name}"
            yield from _field_paths(item, f"{prefix}{name}.")
    elif isinstance(value, list):
        for item in value:
            yield from _field_paths(item, prefix)

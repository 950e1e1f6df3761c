"""The report of a run: outcomes by clause, with the evidence for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from mockhub._text import plural, to_printable_json
from mockhub.verify.clauses import LEVELS
from mockhub.verify.exchange import Exchange
from mockhub.verify.findings import Finding, group_by_cause
from mockhub.verify.outcomes import EXIT_FAILED, EXIT_INCONCLUSIVE, EXIT_OK, Outcome
from mockhub.verify.profile import Acceptance
from mockhub.verify.results import WORST_FIRST, CheckResult, ClauseResult
from mockhub.verify.secrets import Secrets

_MAX_FIELD_DEPTH = 8  # of the fields that a report lists; those of the API are four deep
_MAX_OBSERVED = 1000  # statuses, codes or fields
_CONCLUSIONS = {EXIT_OK: "conforms", EXIT_FAILED: "failed", EXIT_INCONCLUSIVE: "inconclusive"}


@dataclass(frozen=True)
class Report:
    """The result of a run.

    Attributes:
        credits_spent: The credits that were seen to leave the balances.
        credits_unconfirmed: What requests may have cost in addition; no balance shows it.
        budget: The credits that the run was allowed to spend.
        requests: The number of requests that were sent.
        transient_failures: The number of those that were sent again after a transient failure.
        observed: The statuses, error codes and fields that occurred in responses.
        accepted: Known deviations, from the profile.
        baseline: The clauses and checks that did not pass in an older run.
        today: The date, as ``2026-04-30``.
        evidence_folders: Where the files of a failed check are, by its name.
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
    transient_failures: int = 0
    observed: dict[str, list[str]] = field(default_factory=dict)
    accepted: tuple[Acceptance, ...] = ()
    baseline: frozenset[tuple[str, str]] = frozenset()
    today: str = ""
    evidence_folders: Mapping[str, str] = field(default_factory=dict)
    secrets: Secrets = field(default_factory=Secrets, repr=False, compare=False)

    @property
    def checks(self) -> list[CheckResult]:
        """The results of all checks, each once."""
        results = {check.name: check for clause in self.clauses for check in clause.checks}
        return list(results.values())

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """What the implementation does wrong, without what is accepted or in the baseline."""
        return group_by_cause(check for check in self.checks if not self.is_known_check(check))

    @cached_property
    def known_findings(self) -> tuple[Finding, ...]:
        """The failures that are accepted or in the baseline."""
        return group_by_cause(check for check in self.checks if self.is_known_check(check))

    @property
    def notes(self) -> list[str]:
        """Which accepted clauses pass again, or are no longer accepted."""
        notes = []
        for accepted in self.accepted:
            if accepted.clause in {each.id for each in self.with_outcome(Outcome.PASSED)}:
                notes.append(f"{accepted.clause} is accepted in the profile, but passes again")
            if accepted.has_expired():
                notes.append(f"{accepted.clause} was accepted until {accepted.until} only")
        return notes

    def acceptance_of(self, finding: Finding) -> str:
        """Return why a known finding does not count."""
        for accepted in self.accepted:
            if accepted.clause in finding.clause_ids:
                until = f" until {accepted.until}" if accepted.until else ""
                return f"accepted{until}: {accepted.reason}"
        return "in the baseline"

    def files_of(self, finding: Finding) -> str:
        """Return the folder with the files of a finding, or ""."""
        return self.evidence_folders.get(finding.result.name, "")

    def is_known(self, clause: ClauseResult) -> bool:
        """Return whether what did not pass of a clause is accepted or in the baseline."""
        open_checks = [
            check
            for check in clause.checks
            if check.outcome in (Outcome.FAILED, Outcome.INCONCLUSIVE)
        ]
        return bool(open_checks) and all(map(self.is_known_check, open_checks))

    def is_known_check(self, check: CheckResult) -> bool:
        """Return whether what a check found is accepted or in the baseline."""
        clause = check.failed_clause
        if any(each.clause == clause and not each.has_expired() for each in self.accepted):
            return True
        return (clause, check.name) in self.baseline

    @property
    def exit_code(self) -> int:
        """0 conforms, 1 something new failed, 3 only something new is inconclusive."""
        if self.findings:
            return EXIT_FAILED
        if self.interrupted or any(
            check.outcome == Outcome.INCONCLUSIVE and not self.is_known_check(check)
            for check in self.checks
        ):
            return EXIT_INCONCLUSIVE
        return EXIT_OK

    @property
    def title(self) -> str:
        known = " except for what is known" if self.known_findings else ""
        return f"mockhub verify: {_CONCLUSIONS[self.exit_code]}{known}"

    @property
    def headline(self) -> str:
        """How many findings there are of each level."""
        counts = Counter(finding.level for finding in self.findings)
        known = f"; {len(self.known_findings)} known" if self.known_findings else ""
        levels = ", ".join(f"{counts[level]} {level}" for level in LEVELS)
        return f"{plural(len(self.findings), 'finding')}: {levels}{known}"

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
            f"Level {self.level}; {self.headline}; clauses: {counts}; {credits_text}, "
            f"{self.requests} requests, {self.seconds:.1f} s, seed {self.seed}."
            f"{' Interrupted.' if self.interrupted else ''}{self._repeated}"
        )

    @property
    def _repeated(self) -> str:
        count = self.transient_failures
        return f" {count} sent again after transient failures (502, 503, 504, 429, closed)." * bool(
            count
        )

    def worst_first(self) -> list[ClauseResult]:
        """All clauses: failed, inconclusive, passed, skipped."""
        return [clause for outcome in WORST_FIRST for clause in self.with_outcome(outcome)]

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
            "transient_failures": self.transient_failures,
            "seconds": round(self.seconds, 2),
            "exit_code": self.exit_code,
            "interrupted": self.interrupted,
            "findings": [self._finding_json(finding) for finding in self.findings],
            "known_findings": [self._finding_json(finding) for finding in self.known_findings],
            "notes": self.notes,
            "clauses": [
                clause.as_json() | self._finding_numbers(clause) for clause in self.clauses
            ],
            "observed": self.observed,
        }

    def _finding_json(self, finding: Finding) -> dict[str, object]:
        files = self.files_of(finding)
        return finding.as_json() | ({"files": files} if files else {})

    def _finding_numbers(self, clause: ClauseResult) -> dict[str, object]:
        """Return which of the findings are about a clause."""
        numbers = [
            number
            for number, finding in enumerate(self.findings)
            if clause.id in (*finding.clause_ids, *finding.touched)
        ]
        return {"findings": numbers}

    def as_json_text(self) -> str:
        """Return the report as a JSON document without keys."""
        return self.secrets.redact(to_printable_json(self.as_json()))


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
    found = {"statuses": statuses, "codes": codes, "fields": fields}
    return {name: sorted(values)[:_MAX_OBSERVED] for name, values in found.items()}


def _field_paths(value: object, prefix: str = "", depth: int = _MAX_FIELD_DEPTH) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _field_paths(item, prefix, depth - 1) if depth else ()
    elif isinstance(value, dict):
        for name, item in value.items():
            yield f"{prefix}{name}"
            yield from _field_paths(item, f"{prefix}{name}.", depth - 1) if depth else ()

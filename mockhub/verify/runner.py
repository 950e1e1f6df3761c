"""Judging an implementation: the deck, then what is random, within one budget."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mockhub.exceptions import MockhubError
from mockhub.verify import oracle
from mockhub.verify.budget import Budget
from mockhub.verify.check import Check, all_checks
from mockhub.verify.clauses import DOCUMENTED, INFERRED, LEVELS
from mockhub.verify.client import BudgetedClient
from mockhub.verify.context import SLOW_SECONDS, CheckContext
from mockhub.verify.filter import compile_filter
from mockhub.verify.fuzz import FUZZ_CHECKS
from mockhub.verify.outcomes import FAILED, PASSED, SKIPPED, CheckOutcome, Inconclusive, Skipped
from mockhub.verify.profile import Profile
from mockhub.verify.reporters.report import CheckResult, Report, group_by_clause, observed_values

DEFAULT_BUDGET = 310  # credits, unless told otherwise
DEFAULT_BUDGETS = {DOCUMENTED: DEFAULT_BUDGET, INFERRED: 400}

ProgressCallback = Callable[[Check, CheckResult], None]


class Unreachable(MockhubError):
    """Nothing that can be judged answers at the profile's address."""


def run(
    profile: Profile,
    *,
    level: str = DOCUMENTED,
    seed: int = 0,
    budget: int | None = None,
    no_fuzz: bool = False,
    keyword: str | None = None,
    read_only: bool = False,
    progress: ProgressCallback | None = None,
    budget_tracker: Budget | None = None,
) -> Report:
    """Judge the implementation of *profile*.

    Args:
        level: `documented` holds it to what the page says, `inferred` to the natural readings too.
        budget: credits that are never passed; by default the level's, or the profile's less.
        quick: the deck alone, nothing random.
        only: an expression over names of clauses and checks, such as ``AUTH and not AUTH-9``.
        safe: send nothing but GETs.
        progress: called after each check.
        meter: another meter, which then knows the budget.

    Raises:
        MockhubError: if nothing answers there, or *level*, *only* or the budget cannot be used.
    """
    if level not in LEVELS:
        raise MockhubError(f"level {level!r} is not known; known are {', '.join(LEVELS)}")
    checks = select_checks(level, keyword)
    limit = effective_budget(profile, budget, level)
    if not read_only and limit < oracle.min_price() and any(check.fixtures for check in checks):
        raise MockhubError(
            f"a budget of {limit} credits cannot pay for a single image; expected {oracle.min_price()} or more, "  # noqa: E501
            "--read-only, or -k with checks that pay for nothing"
        )
    client = BudgetedClient(profile, budget_tracker or Budget(limit), read_only=read_only)
    verification = Run(
        client, CheckContext(client, level, seed), progress or (lambda check, result: None)
    )
    started = time.perf_counter()
    try:
        verification.start()
        verification.run_all(checks)
        if not no_fuzz and not read_only and verification.no_failures:
            verification.run_all(filter_checks(FUZZ_CHECKS, level, keyword))
    except KeyboardInterrupt:
        verification.interrupted = True
    finally:
        verification.finish()
        client.close()
    return Report(
        target=profile.base_url,
        level=level,
        seed=seed,
        clauses=group_by_clause(verification.results, level),
        credits_spent=client.budget.spent,
        budget=client.budget.limit,
        requests=client.request_count,
        seconds=time.perf_counter() - started,
        interrupted=verification.interrupted,
        observed=observed_values(client.exchanges),
    )


def effective_budget(profile: Profile, budget: int | None, level: str) -> int:
    """The credits that a run may spend: *budget* or the level's, within the profile's limit."""
    return min(DEFAULT_BUDGETS[level] if budget is None else budget, profile.max_credits)


def select_checks(level: str, keyword: str | None = None) -> list[Check]:
    """The checks of *level* that *only* lets through, in the order in which they are dealt."""
    return filter_checks(all_checks(), level, keyword)


def filter_checks(checks: Sequence[Check], level: str, keyword: str | None) -> list[Check]:
    """Those of *checks* that belong to *level* and that *only* lets through."""
    matches = compile_filter(keyword)
    return [
        check
        for check in checks
        if check.level in (DOCUMENTED, level) and matches({check.name, *check.clauses})
    ]


@dataclass
class Run:
    """One run over a stage."""

    client: BudgetedClient
    context: CheckContext
    progress: ProgressCallback
    interrupted: bool = False

    def __post_init__(self) -> None:
        self._results: dict[str, CheckResult] = {}
        self._warmed_up = False

    @property
    def results(self) -> list[CheckResult]:
        return list(self._results.values())

    @property
    def no_failures(self) -> bool:
        """Whether no check has failed so far; random requests would only find the same again."""
        return not any(result.outcome == FAILED for result in self.results)

    def start(self) -> None:
        """See that something answers, and read what each account has."""
        for _ in range(2):
            exchange = self.client.get("models", key=None)
            if not exchange.error:
                break
        else:
            raise Unreachable(f"{self.client.profile.base_url}: {exchange.describe()}")
        for role in ("valid", "other", "low", "broke"):
            if role in self.client.profile.keys:
                credits = self.context.credits_or_none(role)
                if credits is not None:
                    self.context.starting_balances[role] = credits
        self.client.budget.read_credits_lost = self.context.credits_lost

    def run_all(self, checks: Sequence[Check]) -> None:
        """Ask each check in its turn."""
        fixtures = list(dict.fromkeys(name for check in checks for name in check.fixtures))
        for check in checks:
            self.run_one(check, fixtures)

    def run_one(self, check: Check, fixtures: Sequence[str]) -> CheckResult:
        """Ask one check; *uses* are the generations that the whole run is going to need."""
        if check.fixtures and not self._warmed_up:
            self._warm_up(fixtures)
        outcome = self._unmet_dependency(check)
        result = to_result(check, outcome) if outcome else run_check(check, self.context)
        self._results[check.name] = result
        self.progress(check, result)
        return result

    def _unmet_dependency(self, check: Check) -> CheckOutcome | None:
        for name in check.after:
            result = self._results.get(name)
            if result is None:
                return Inconclusive(f"needs the check {name}, which is not part of this run")
            if result.outcome == SKIPPED:
                return Skipped(f"needs the check {name}, which was skipped: {result.message}")
        return None

    def _warm_up(self, fixtures: Sequence[str]) -> None:
        """Make the first generation; if that is slow, make the others side by side."""
        self._warmed_up = True
        for first, is_async in (("example", False), ("example_async", True)):
            if first not in fixtures:
                continue
            started = time.perf_counter()
            try:
                self.context.generation(first)
            except CheckOutcome:
                continue
            if time.perf_counter() - started > SLOW_SECONDS:
                self.context.prefetch(fixtures, asynchronous=is_async)

    def finish(self) -> None:
        """Read what has been spent."""
        try:
            credits_lost = self.context.credits_lost()
        except CheckOutcome:
            credits_lost = None
        self.client.budget.finalize(credits_lost)


def run_check(check: Check, context: CheckContext) -> CheckResult:
    """Run one check; whatever happens, it ends with a result."""
    missing = [need for need in check.requires if not context.profile.offers(need)]
    if missing:
        prefixes = {"provider_failure": "triggers.", "partial": "triggers.", "state_handlers": ""}
        names = ", ".join(prefixes.get(need, "keys.") + need for need in missing)
        return to_result(check, Skipped(f"the profile has no {names}"))
    try:
        check.run(context)
    except CheckOutcome as outcome:
        return to_result(check, outcome)
    except Exception as error:  # a response that no check foresaw
        message = f"the check could not interpret a response: {type(error).__name__}: {error}"
        return to_result(check, Inconclusive(message, *context.client.exchanges[-1:]))
    return to_result(check)


def to_result(check: Check, outcome: CheckOutcome | None = None) -> CheckResult:
    """Describe how *check* ended; without an outcome it passed."""
    return CheckResult(
        check.name,
        outcome.outcome if outcome else PASSED,
        outcome.message if outcome else "",
        outcome.exchanges if outcome else (),
        outcome.expected if outcome else "",
        check.description,
        check.clauses,
    )

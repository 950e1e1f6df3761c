"""Run the checks against an implementation, within one budget."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

from mockhub._text import suggest
from mockhub.exceptions import MockhubError
from mockhub.verify import oracle
from mockhub.verify.budget import Budget
from mockhub.verify.check import Check, all_checks
from mockhub.verify.clauses import DOCUMENTED, INFERRED, LEVELS, clauses
from mockhub.verify.client import BudgetedClient
from mockhub.verify.context import DEFAULT_EXAMPLES, CheckContext
from mockhub.verify.filter import compile_filter
from mockhub.verify.fuzz import FUZZ_CHECKS
from mockhub.verify.profile import Profile
from mockhub.verify.report import Report
from mockhub.verify.run import ProgressCallback, Run

DEFAULT_BUDGET = 310  # credits
DEFAULT_BUDGETS: dict[str, int] = {DOCUMENTED: DEFAULT_BUDGET, INFERRED: 400}


def run(
    profile: Profile,
    *,
    level: str = DOCUMENTED,
    seed: int = 0,
    budget: int | None = None,
    no_fuzz: bool = False,
    keyword: str | None = None,
    read_only: bool = False,
    fail_fast: bool = False,
    max_time: float = math.inf,
    examples: int = DEFAULT_EXAMPLES,
    progress: ProgressCallback | None = None,
    budget_tracker: Budget | None = None,
) -> Report:
    """Check the implementation of *profile*.

    Args:
        level: `documented` checks what the documentation says, `inferred` also the natural
            interpretation of what it leaves open.
        seed: The seed of generated requests.
        budget: The credits that are never exceeded, by default those of the level. The profile's
            `max_credits` applies if it is less.
        no_fuzz: Whether to skip the checks with generated requests.
        keyword: An expression over the names of clauses and checks, such as
            ``AUTH and not AUTH-9``.
        read_only: Whether to send only GETs.
        fail_fast: Whether to skip all checks after the first that fails.
        max_time: The seconds after which nothing more is sent.
        examples: The number of random sequences; that of generated bodies is in proportion.
        progress: Called after each check.
        budget_tracker: Replaces the budget; it has its own limit.

    Raises:
        MockhubError: if the implementation cannot be reached, or an argument cannot be used.
    """
    if level not in LEVELS:
        raise MockhubError(
            f"unknown level {level!r}{suggest(level, LEVELS)}; expected {' or '.join(LEVELS)}"
        )
    checks, generated = select_checks(level, keyword), filter_checks(FUZZ_CHECKS, level, keyword)
    if not (checks or generated):
        raise MockhubError(f"-k {keyword!r} matches no check of level {level}{_hint(keyword)}")
    budget_tracker = budget_tracker or Budget(effective_budget(profile, budget, level))
    if not read_only and any(check.fixtures for check in checks):
        _require_price_of_an_image(budget_tracker.limit)
    client = BudgetedClient(profile, budget_tracker, read_only=read_only, max_time=max_time)
    verification = Run(
        client,
        CheckContext(client, level, seed, examples),
        progress or (lambda check, result: None),
        fail_fast,
    )
    started = time.perf_counter()
    verification.execute(checks, [] if no_fuzz or read_only else generated)
    return verification.report(time.perf_counter() - started)


def _hint(keyword: str | None) -> str:
    if select_checks(INFERRED, keyword) or filter_checks(FUZZ_CHECKS, INFERRED, keyword):
        return f"; --level {INFERRED} has some"
    suggestion = suggest(keyword or "", clauses())
    expected = "clauses such as AUTH-9, groups such as AUTH, or parts of names of checks"
    return f"{suggestion}; expected {expected}"


def _require_price_of_an_image(limit: int) -> None:
    if limit < oracle.min_price():
        raise MockhubError(
            f"a budget of {limit} credits cannot pay for a single image; expected "
            f"{oracle.min_price()} or more, --read-only, or -k with checks that cost nothing"
        )


def effective_budget(profile: Profile, budget: int | None, level: str) -> int:
    """Return the credits that a run may spend: *budget* or the level's, within the profile's."""
    return min(DEFAULT_BUDGETS[level] if budget is None else budget, profile.max_credits)


def select_checks(level: str, keyword: str | None = None) -> list[Check]:
    """Return the fixed checks of *level* that match *keyword*, in the order in which they run."""
    return filter_checks(all_checks(), level, keyword)


def filter_checks(checks: Sequence[Check], level: str, keyword: str | None) -> list[Check]:
    """Return those of *checks* that belong to *level* and match *keyword*, for its clauses only."""
    matches = compile_filter(keyword)
    of_level = [check.at_level(level) for check in checks if check.level in (DOCUMENTED, level)]
    return [check for check in of_level if matches({check.name, *check.clauses})]

"""Run one check, or several in order; whatever happens, each ends with a result."""

from __future__ import annotations

from collections.abc import Sequence

from mockhub.verify.check import Check
from mockhub.verify.context import CheckContext
from mockhub.verify.generation_assertions import ineffective_trigger
from mockhub.verify.outcomes import (
    CheckOutcome,
    Inconclusive,
    Outcome,
    Skipped,
    describe_exception,
)
from mockhub.verify.results import CheckResult

UNINTERPRETED = "the check could not interpret a response"  # a defect of the check


def run_in_order(checks: Sequence[Check], context: CheckContext) -> list[tuple[Check, CheckResult]]:
    return [(check, run_check(check, context)) for check in checks]


def run_check(check: Check, context: CheckContext) -> CheckResult:
    """Run one check; whatever happens, it ends with a result."""
    for need in check.requires:
        if generation := context.ineffective_triggers.get(need):
            return to_result(check, ineffective_trigger(generation))
    missing = [need for need in check.requires if not context.profile.offers(need)]
    if missing:
        prefixes = {"provider_failure": "triggers.", "partial": "triggers.", "state_handlers": ""}
        names = ", ".join(prefixes.get(need, "keys.") + need for need in missing)
        return to_result(check, Skipped(f"the profile has no {names}"))
    try:
        check.run(context)
    except CheckOutcome as outcome:
        if context.client.read_only and isinstance(outcome, Inconclusive) and not outcome.exchanges:
            return to_result(check, Skipped(f"--read-only: {outcome.message}"))
        return to_result(check, outcome)
    except Exception as error:  # a response that no check foresaw
        message = f"{UNINTERPRETED}: {describe_exception(error)}"
        return to_result(check, Inconclusive(message, *context.client.exchanges[-1:]))
    return to_result(check)


def to_result(check: Check, outcome: CheckOutcome | None = None) -> CheckResult:
    """Describe how *check* ended; without an outcome it passed."""
    return CheckResult(
        check.name,
        outcome.outcome if outcome else Outcome.PASSED,
        outcome.message if outcome else "",
        outcome.exchanges if outcome else (),
        outcome.expected if outcome else "",
        check.description,
        check.clauses,
        check.level,
        outcome.clause if outcome else "",
        outcome.rejected_with if outcome else None,
    )

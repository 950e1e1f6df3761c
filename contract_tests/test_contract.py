"""Each check as a test; the fixtures are in conftest.py."""

from __future__ import annotations

import pytest

from mockhub._text import printable
from mockhub.verify.check import Check
from mockhub.verify.outcomes import Outcome
from mockhub.verify.results import CheckResult

from .conftest import VerifySession


def test_contract(check: Check, verify_session: VerifySession, outcomes: set[Outcome]) -> None:
    """The implementation conforms to the clauses of the check."""
    result = verify_session.run.run_one(check, verify_session.fixtures)
    outcomes.add(result.outcome)
    accepted = verify_session.run.client.profile.acceptance(result.failed_clause)
    if result.outcome == Outcome.FAILED and accepted:
        pytest.xfail(f"accepted: {accepted.reason}")
    if result.outcome == Outcome.FAILED:
        pytest.fail(_failure_message(check, result), pytrace=False)
    if result.outcome != Outcome.PASSED:
        pytest.skip(f"{result.outcome}: {printable(result.message)}")


def _failure_message(check: Check, result: CheckResult) -> str:
    lines = [f"{', '.join(check.clauses)}: {check.description}", result.message]
    if result.expected:
        lines.append(f"expected  {result.expected}")
    for exchange in result.evidence[:3]:
        lines += [f"sent      {exchange.curl()}", f"received  {exchange.describe()}"]
    lines += [f"explain   mockhub explain {clause}" for clause in check.clauses]
    return "\n".join(printable(line) for line in lines)

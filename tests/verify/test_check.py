"""Checks run after those that they name in `after`."""

from __future__ import annotations

import pytest

from mockhub.verify.check import Check, sort_by_dependency
from mockhub.verify.runner import run
from tests.support.scripted_server import KEYS, build_profile, mock


def make_check(name: str, *after: str) -> Check:
    return Check(name, ("END-1",), "documented", (), (), 0, name, lambda context: None, after)


def test_check_runs_after_its_dependencies() -> None:
    """A check moves behind those that it names; the others keep their order."""
    checks = [make_check("a"), make_check("b", "d"), make_check("c"), make_check("d", "c")]
    assert [check.name for check in sort_by_dependency(checks)] == ["a", "c", "d", "b"]


def test_unknown_dependency_is_rejected() -> None:
    """A misspelt name is shown with the nearest known one."""
    with pytest.raises(ValueError, match="b: after='frist' is not a check; did you mean 'first'"):
        sort_by_dependency([make_check("first"), make_check("b", "frist")])


def test_circular_dependency_is_rejected() -> None:
    """Checks that wait for each other could never run."""
    with pytest.raises(ValueError, match="circular dependency: a -> b -> a"):
        sort_by_dependency([make_check("a", "b"), make_check("b", "a")])


def _outcome_of_exact_balance(keyword: str, **changes: object) -> tuple[str, str]:
    with mock() as served:
        profile = build_profile(served.url, **changes)
        report = run(profile, level="inferred", keyword=keyword, no_fuzz=True)
    clause = next(clause for clause in report.clauses if clause.id == "LED-7")
    check = next(
        candidate for candidate in clause.checks if candidate.name == "ledger_accepts_exact_balance"
    )
    return check.outcome, check.message


def test_check_whose_dependency_is_not_selected_is_inconclusive() -> None:
    """A check that -k separates from the one it builds on names the missing one."""
    assert _outcome_of_exact_balance("LED-7") == (
        "inconclusive",
        "needs the check ledger_is_never_overdrawn_concurrently, which is not part of this run",
    )


def test_check_whose_dependency_was_skipped_is_skipped() -> None:
    """A rich account at keys.low cannot be spent down to an exact balance (LED-7)."""
    outcome, message = _outcome_of_exact_balance("ledger", keys={**KEYS, "low": KEYS["valid"]})
    assert outcome == "skipped"
    assert "ledger_is_never_overdrawn_concurrently, which was skipped: keys.low has" in message

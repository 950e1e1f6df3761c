"""The budget: worst cases are reserved, and balances decide what was spent."""

from __future__ import annotations

import pytest

from mockhub.exceptions import MockhubError
from mockhub.verify.budget import Budget
from mockhub.verify.outcomes import OverBudget
from mockhub.verify.runner import run
from tests.support.scripted_server import build_profile, mock


def test_request_beyond_budget_is_not_sent() -> None:
    """A request whose worst case exceeds the rest of the budget is not sent."""
    budget = Budget(10)
    budget.reserve(8)
    with pytest.raises(OverBudget, match="may cost 8 credits, and 2 are left of the budget of 10"):
        budget.reserve(8)


def test_reservation_that_was_not_charged_is_released() -> None:
    """A reservation is available again if the balances did not change."""
    budget = Budget(10)
    budget.read_credits_lost = lambda: 0
    for _ in range(20):
        budget.release(budget.reserve(8))
    assert budget.spent == 0


def test_balances_count_more_than_reported_costs() -> None:
    """A server that charges double spends the budget twice as fast."""
    budget = Budget(40)
    charged = 0

    budget.read_credits_lost = lambda: charged
    for _ in range(2):
        reservation = budget.reserve(8)
        charged += 16
        budget.release(reservation, reported_cost=8)
    with pytest.raises(OverBudget):
        budget.reserve(16)
    assert budget.spent == 32


def test_reported_costs_count_if_balances_never_fall() -> None:
    """A server whose balance never falls spends the budget, too."""
    budget = Budget(20)
    budget.read_credits_lost = lambda: 0
    budget.release(budget.reserve(8), reported_cost=8)
    budget.release(budget.reserve(8), reported_cost=8)
    with pytest.raises(OverBudget):
        budget.reserve(8)


def test_reservations_count_as_spent_if_balances_are_unreadable() -> None:
    """Without balances, the worst case of every request counts as spent."""
    budget = Budget(20)
    budget.release(budget.reserve(16))
    with pytest.raises(OverBudget):
        budget.reserve(8)
    assert budget.spent == 16


@pytest.mark.parametrize("budget", [8, 30, 64, 120])
def test_small_budget_makes_clauses_inconclusive_but_fails_none(budget: int) -> None:
    """With fewer credits more clauses are inconclusive, and none fails."""
    with mock() as served:
        report = run(build_profile(served.url), budget=budget, keyword="not REQ-9", no_fuzz=True)
    assert report.credits_spent <= budget
    assert [clause.id for clause in report.with_outcome("failed")] == []
    assert report.exit_code == 3


def test_budget_below_one_image_is_rejected() -> None:
    """A budget that does not cover a single image is an error."""
    with pytest.raises(MockhubError, match="cannot pay for a single image"):
        run(build_profile("http://127.0.0.1:1"), budget=3)


def test_max_credits_of_profile_limits_the_budget() -> None:
    """max_credits is never exceeded, whatever budget is given."""
    with mock() as served:
        profile = build_profile(served.url, max_credits=16)
        report = run(profile, budget=500, keyword="GEN or END", no_fuzz=True)
    assert report.budget == 16
    assert report.credits_spent <= 16

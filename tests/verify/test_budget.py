"""The meter reserves the worst, settles by what the balances say, and refuses what is beyond."""

from __future__ import annotations

import pytest

from mockhub.exceptions import MockhubError
from mockhub.verify.budget import Budget
from mockhub.verify.outcomes import OverBudget
from mockhub.verify.runner import run
from tests.support.scripted_server import build_profile, mock


def test_a_request_beyond_the_budget_is_refused() -> None:
    """What does not fit into the budget at its worst is not sent."""
    meter = Budget(10)
    meter.reserve(8)
    with pytest.raises(OverBudget, match="may cost 8 credits, and 2 are left of the budget of 10"):
        meter.reserve(8)


def test_a_free_answer_gives_its_reservation_back() -> None:
    """A reservation that the balances did not pay for is free again."""
    meter = Budget(10)
    meter.read_credits_lost = lambda: 0
    for _ in range(20):
        meter.release(meter.reserve(8))
    assert meter.spent == 0


def test_a_server_that_charges_double_ends_the_run_sooner() -> None:
    """What counts is what left the balance, whatever the answers say."""
    meter = Budget(40)
    taken = 0

    def balances() -> int:
        return taken

    meter.read_credits_lost = balances
    for _ in range(2):
        ticket = meter.reserve(8)
        taken += 16
        meter.release(ticket, reported_cost=8)
    with pytest.raises(OverBudget):
        meter.reserve(16)
    assert meter.spent == 32


def test_what_answers_claim_counts_where_balances_lie() -> None:
    """A server whose balance never falls spends the budget all the same."""
    meter = Budget(20)
    meter.read_credits_lost = lambda: 0
    meter.release(meter.reserve(8), reported_cost=8)
    meter.release(meter.reserve(8), reported_cost=8)
    with pytest.raises(OverBudget):
        meter.reserve(8)


def test_unreadable_balances_count_as_the_worst() -> None:
    """Where nothing can be read, everything reserved is taken for spent."""
    meter = Budget(20)
    meter.release(meter.reserve(16))
    with pytest.raises(OverBudget):
        meter.reserve(8)
    assert meter.spent == 16


@pytest.mark.parametrize("budget", [8, 30, 64, 120])
def test_a_small_budget_is_kept_and_is_no_false_alarm(budget: int) -> None:
    """With fewer credits more is inconclusive, and nothing is broken."""
    with mock() as served:
        report = run(build_profile(served.url), budget=budget, keyword="not REQ-9", no_fuzz=True)
    assert report.credits_spent <= budget
    assert [clause.id for clause in report.with_outcome("failed")] == []
    assert report.exit_code == 3


def test_a_budget_that_pays_for_nothing_is_told() -> None:
    """A budget below one image cannot judge what has to be paid for."""
    with pytest.raises(MockhubError, match="cannot pay for a single image"):
        run(build_profile("http://127.0.0.1:1"), budget=3)


def test_the_limit_of_the_profile_holds_above_the_budget() -> None:
    """max_credits is never passed, whatever budget is given."""
    with mock() as served:
        profile = build_profile(served.url, max_credits=16)
        report = run(profile, budget=500, keyword="GEN or END", no_fuzz=True)
    assert report.budget == 16
    assert report.credits_spent <= 16

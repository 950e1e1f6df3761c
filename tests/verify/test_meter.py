"""The meter reserves the worst, settles by what the balances say, and refuses what is beyond."""

from __future__ import annotations

import pytest

from contract_tests.meter import Meter
from contract_tests.runner import judge
from contract_tests.verdicts import OverBudget
from mockhub.spec.errors import MockhubError
from tests.verify.scripted import mock, profile_of


def test_a_request_beyond_the_budget_is_refused() -> None:
    """What does not fit into the budget at its worst is not sent."""
    meter = Meter(10)
    meter.reserve(8)
    with pytest.raises(OverBudget, match="may cost 8 credits, and 2 are left of the budget of 10"):
        meter.reserve(8)


def test_a_free_answer_gives_its_reservation_back() -> None:
    """A reservation that the balances did not pay for is free again."""
    meter = Meter(10)
    meter.read_balances = lambda: 0
    for _ in range(20):
        meter.over(meter.reserve(8))
    assert 0 == meter.spent


def test_a_server_that_charges_double_ends_the_run_sooner() -> None:
    """What counts is what left the balance, whatever the answers say."""
    meter = Meter(40)
    taken = 0

    def balances() -> int:
        return taken

    meter.read_balances = balances
    for _ in range(2):
        ticket = meter.reserve(8)
        taken += 16
        meter.over(ticket, claimed=8)
    with pytest.raises(OverBudget):
        meter.reserve(16)
    assert 32 == meter.spent


def test_what_answers_claim_counts_where_balances_lie() -> None:
    """A server whose balance never falls spends the budget all the same."""
    meter = Meter(20)
    meter.read_balances = lambda: 0
    meter.over(meter.reserve(8), claimed=8)
    meter.over(meter.reserve(8), claimed=8)
    with pytest.raises(OverBudget):
        meter.reserve(8)


def test_unreadable_balances_count_as_the_worst() -> None:
    """Where nothing can be read, everything reserved is taken for spent."""
    meter = Meter(20)
    meter.over(meter.reserve(16))
    with pytest.raises(OverBudget):
        meter.reserve(8)
    assert 16 == meter.spent


@pytest.mark.parametrize("budget", [8, 30, 64, 120])
def test_a_small_budget_is_kept_and_is_no_false_alarm(budget: int) -> None:
    """With fewer credits more is inconclusive, and nothing is broken."""
    with mock() as served:
        report = judge(profile_of(served.url), budget=budget, only="not REQ-9", quick=True)
    assert report.credits_spent <= budget
    assert [] == [clause.id for clause in report.of("broken")]
    assert 3 == report.exit_code


def test_a_budget_that_pays_for_nothing_is_told() -> None:
    """A budget below one image cannot judge what has to be paid for."""
    with pytest.raises(MockhubError, match="pays for no image"):
        judge(profile_of("http://127.0.0.1:1"), budget=3)


def test_the_limit_of_the_profile_holds_above_the_budget() -> None:
    """max_credits is never passed, whatever budget is given."""
    with mock() as served:
        profile = profile_of(served.url, max_credits=16)
        report = judge(profile, budget=500, only="GEN or END", quick=True)
    assert 16 == report.budget
    assert report.credits_spent <= 16

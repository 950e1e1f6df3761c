"""The budget: worst cases are reserved, and balances decide what was spent."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Thread
from time import perf_counter

import pytest

from mockhub.exceptions import MockhubError
from mockhub.verify.budget import Budget
from mockhub.verify.client import BudgetedClient
from mockhub.verify.concurrent_requests import SimultaneousRequest
from mockhub.verify.outcomes import OverBudget, Skipped
from mockhub.verify.runner import run
from tests.support.scripted_server import (
    KEYS,
    Request,
    Response,
    build_profile,
    json_response,
    mock,
    mock_with_changes,
    scripted_server,
)


def test_request_beyond_budget_is_not_sent() -> None:
    """A request whose worst case exceeds the rest of the budget is not sent."""
    budget = Budget(10)
    budget.reserve(8)
    with pytest.raises(OverBudget, match="may cost 8 credits, and 2 are left of the budget of 10"):
        budget.reserve(8)


def readable(budget: Budget, balance: Callable[[], int]) -> Budget:
    """Let a budget read the balance of one role."""

    def read(roles: object = "valid") -> bool:
        budget.observe("valid", balance())
        return True

    budget.read_balance, budget.read_balances = read, read
    read()
    return budget


def test_reservation_that_was_not_charged_is_released() -> None:
    """A reservation is available again if the balances did not change."""
    budget = readable(Budget(10), lambda: 100)
    for _ in range(20):
        budget.release(budget.reserve(8))
    assert budget.spent == 0


def test_reservation_of_several_requests_ends_with_the_block() -> None:
    """What one account has is reserved once for all of its requests."""
    budget = readable(Budget(10), lambda: 100)
    with budget.reservation(5, "broke"):
        for _ in range(3):
            budget.release(budget.reserve(0), rejected=True, payers={"broke"})
        assert budget.remaining == 5
    budget.reserve(10)


def test_credits_added_to_an_account_count_when_they_are_spent() -> None:
    """A role whose key is replaced by one of an account with more credits has more to spend."""
    budget = Budget(40)
    for credits in (3, 24, 8):
        budget.observe("low", credits)
    assert budget.observed == 16


def test_refunded_credits_may_be_spent_again() -> None:
    """What a failed generation was charged for a moment is not lost for the budget."""
    left = [100]
    budget = readable(Budget(40), lambda: left[0])
    reservation = budget.reserve(30)
    left[0] -= 30
    budget.read_balance("valid")
    assert budget.observed == 30
    left[0] += 30
    budget.release(reservation, rejected=True, payers={"valid"})
    budget.reserve(40)
    assert budget.observed == 0


def test_task_that_was_charged_counts_once() -> None:
    """While it is in progress, its charge and its reservation are the same credits."""
    left = [100]
    budget = readable(Budget(40), lambda: left[0])
    requested_at = perf_counter()
    for _ in range(2):
        budget.release(budget.reserve(16), payers={"valid"})
        budget.reserve_task(16, requested_at)
        left[0] -= 16
    budget.settle()
    assert budget.remaining == 40 - 2 * 16


@pytest.mark.parametrize("settled_between", [True, False])
def test_uncharged_task_stays_reserved(settled_between: bool) -> None:
    """Its charge may follow, whenever the balances are read meanwhile."""
    budget = readable(Budget(40), lambda: 100)
    requested_at = perf_counter()
    budget.release(budget.reserve(16), payers={"valid"})
    if settled_between:
        budget.settle()
    task = budget.reserve_task(16, requested_at)
    budget.settle()
    budget.release(budget.reserve(24), payers={"valid"})
    assert budget.remaining == 0
    budget.release(task)
    budget.settle()
    assert budget.remaining == 40


def test_waiting_thread_gets_what_another_frees() -> None:
    """A request that is not covered waits for those in progress, and for the balances."""
    budget = readable(Budget(16), lambda: 100)

    def send(credits: int) -> None:
        reservation = budget.reserve(credits)
        time.sleep(0.005)  # so that the others have to wait
        budget.release(reservation, rejected=True, payers={"valid"})

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(send, credits) for credits in (8, 16) * 8]:
            done.result(20)
    budget.settle()
    assert budget.remaining == 16


def test_failed_read_is_repeated() -> None:
    """If reading the balances ends with an exception, the next request reads them again."""
    budget = readable(Budget(8), lambda: 100)
    read_balances = budget.read_balances
    budget.release(budget.reserve(8), rejected=True, payers={"valid"})

    def fail(roles: object) -> bool:
        budget.read_balances = read_balances
        raise Skipped("no key")

    budget.read_balances = fail
    with pytest.raises(Skipped):
        budget.reserve(8)
    waiting = Thread(target=budget.reserve, args=(8,), daemon=True)
    waiting.start()
    waiting.join(20)
    assert not waiting.is_alive()


def test_slow_read_frees_only_what_ended_before() -> None:
    """A balance may have been read before a request that ended meanwhile was charged."""
    budget = readable(Budget(24), lambda: 100)
    budget.release(budget.reserve(8), rejected=True, payers={"valid"})
    late = budget.reserve(16)

    def read_slowly(roles: object) -> bool:
        budget.release(late, rejected=True, payers={"other"})
        return True

    budget.read_balances = read_slowly
    budget.settle()
    assert budget.remaining == 24 - 16
    read_roles: list[object] = []

    def read(roles: object) -> bool:
        read_roles.append(roles)
        return True

    budget.read_balances = read
    budget.settle()
    assert read_roles == [("other",)]
    assert budget.remaining == 24


def test_nothing_is_paid_after_a_request_that_costs_too_much() -> None:
    """A server that charges double is paid once."""
    left = [100]
    budget = readable(Budget(40), lambda: left[0])
    reservation = budget.reserve(8)
    left[0] -= 16
    budget.release(reservation, reported_cost=8, payers={"valid"})
    with pytest.raises(OverBudget, match="8 credits more have left the balances"):
        budget.reserve(8)
    assert budget.spent == 16


def test_reads_continue_after_an_overcharge() -> None:
    """A server that charges too much is paid for nothing more, but tasks are still polled."""
    balance = {"credits": 10, "account_type": "PRO", "next_expiration": None}
    with scripted_server(lambda request: json_response(balance)) as url:
        client = BudgetedClient(build_profile(url), Budget(100))
        client.budget.observe("valid", 100)
        client.budget.observe("valid", 10)
        reads = client.send_simultaneously([SimultaneousRequest("valid", path="credits")] * 2)
        with pytest.raises(OverBudget):
            client.send_simultaneously([SimultaneousRequest("valid", {}, cost=8)])
        client.close()
    assert [read.status for read in reads] == [200, 200]


def test_balance_that_shows_an_overcharge_is_read_again() -> None:
    """One wrong balance, such as that of another user, ends no run."""
    credits = iter([100, 10, 100, 100])

    def balance(request: Request) -> Response:
        fields = {"account_type": "PRO", "next_expiration": None}
        return json_response({"credits": next(credits), **fields})

    with scripted_server(balance) as url:
        client = BudgetedClient(build_profile(url), Budget(100))
        reads = [client.get("credits").json_object["credits"] for _ in range(3)]
        client.close()
    assert reads == [100, 10, 100]
    assert (client.budget.observed, client.budget.remaining) == (0, 100)


def test_overcharge_that_is_read_twice_is_one() -> None:
    credits = iter([100, 10, 10])
    with scripted_server(lambda request: json_response({"credits": next(credits)})) as url:
        client = BudgetedClient(build_profile(url), Budget(100))
        for _ in range(2):
            client.get("credits")
        client.close()
    assert (client.budget.observed, client.budget.remaining) == (90, 0)


def test_rejections_that_cost_nothing_allow_no_overcharge() -> None:
    """What rejected requests might have cost does not pay for a later overcharge."""
    left = [100]
    budget = readable(Budget(40), lambda: left[0])
    for _ in range(5):
        budget.release(budget.reserve(8), rejected=True, payers={"valid"})
    budget.settle()
    reservation = budget.reserve(8)
    left[0] -= 9
    budget.release(reservation, payers={"valid"})
    with pytest.raises(OverBudget, match="1 credits more"):
        budget.reserve(8)


def test_balance_is_read_before_the_next_paid_request() -> None:
    """An accepted request is measured before another one is sent that might cost something."""
    reads = []
    budget = Budget(40)
    budget.read_balance = reads.append
    budget.release(budget.reserve(8), payers={"valid"})
    assert reads == []
    budget.release(budget.reserve(8), payers={"low"}, rejected=True)
    budget.reserve(8)
    assert reads == ["valid"]


def test_reported_costs_count_if_balances_never_fall() -> None:
    """A server whose balance never falls spends the budget, too."""
    budget = readable(Budget(20), lambda: 100)
    budget.release(budget.reserve(8), reported_cost=8)
    budget.release(budget.reserve(8), reported_cost=8)
    with pytest.raises(OverBudget):
        budget.reserve(8)
    assert (budget.observed, budget.unconfirmed) == (0, 16)


def test_unreadable_balances_make_the_cost_unknown() -> None:
    """Without balances the worst case limits the budget, but is not said to be spent."""
    budget = Budget(20)
    budget.release(budget.reserve(16))
    with pytest.raises(OverBudget):
        budget.reserve(8)
    assert (budget.spent, budget.unconfirmed) == (0, 16)


class OverchargingServer:
    """A server that charges *price* for whatever it accepts."""

    def __init__(self, price: int, *, accepts_everything: bool = False) -> None:
        self.spent = 0
        self.price = price
        self.accepts_everything = accepts_everything

    def respond(self, request: Request) -> Response:
        if request.path.endswith("/credits"):
            spent = self.spent if self._is_valid(request) else 0
            return json_response({"credits": 100_000 - spent, "account_type": "PRO"})
        if request.method == "POST" and (self.accepts_everything or self._is_valid(request)):
            self.spent += self.price
            result = {"id": "x", "status": "succeeded", "usage": {"credits": 8}, "images": []}
            return json_response(result)
        return json_response({"error": {"code": "x", "message": "x"}}, 400)

    def _is_valid(self, request: Request) -> bool:
        return request.headers.get("Authorization") == f"Bearer {KEYS['valid']}"


@pytest.mark.parametrize("accepts_everything", [False, True])
@pytest.mark.parametrize("price", [9, 40, 508])
def test_overcharging_server_is_paid_once(price: int, accepts_everything: bool) -> None:
    """The overshoot is the one request that shows the wrong price."""
    server = OverchargingServer(price, accepts_everything=accepts_everything)
    with scripted_server(server.respond) as url:
        report = run(build_profile(url), budget=310, level="inferred")
    assert server.spent == report.credits_spent == price


def test_unreadable_balance_is_read_again() -> None:
    """One 503 in place of each balance changes nothing."""
    seen: set[str] = set()

    def fail_first(request: Request, response: Response) -> Response | None:
        authorization = request.headers.get("Authorization", "")
        if request.path.endswith("/credits") and authorization not in seen:
            seen.add(authorization)
            return Response(503)
        return None

    with mock_with_changes(fail_first) as url:
        report = run(build_profile(url), keyword="LED-1", no_fuzz=True)
    assert report.with_outcome("failed") == []
    assert (report.credits_spent > 0, report.credits_unconfirmed) == (True, 0)


def test_summary_says_what_no_balance_shows() -> None:
    """Credits that were not seen to leave a balance are called unknown."""

    def hide_balances(request: Request, response: Response) -> Response | None:
        return Response(503) if request.path.endswith("/credits") else None

    with mock_with_changes(hide_balances) as url:
        report = run(build_profile(url), keyword="GEN", no_fuzz=True)
    assert report.credits_spent == 0
    assert f"up to {report.credits_unconfirmed} are unknown" in report.summary
    assert 0 < report.credits_unconfirmed <= 310


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

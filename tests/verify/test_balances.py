"""Waiting for balances: for a refund, and for another client that spends."""

from __future__ import annotations

import pytest

from mockhub.verify.balances import Balances
from mockhub.verify.budget import Budget
from mockhub.verify.client import BudgetedClient
from mockhub.verify.exchange import Exchange, Request
from mockhub.verify.fixtures import GenerationFixture
from mockhub.verify.generation import ObservedGeneration
from tests.support.scripted_server import build_profile


class Clock:
    """Replaces the module `time`; only sleeping takes time."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class ConstantBalances(Balances):
    """Balances of a server at which nothing changes."""

    def credits_or_none(self, role: str = "valid") -> int | None:
        return 100


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("mockhub.verify.balances.time", clock)
    return clock


@pytest.fixture
def balances() -> Balances:
    profile = build_profile("http://127.0.0.1:9", poll_timeout=10)
    return ConstantBalances(BudgetedClient(profile, Budget(0)))


def test_waits_are_shorter_after_a_refund_that_did_not_come(
    balances: Balances, clock: Clock
) -> None:
    """A server that refunds nothing does not delay the run at each failed generation."""
    assert balances.wait_for_credits(100) == 100
    assert clock.now == 0
    assert balances.wait_for_credits(108) == 100
    first = clock.now
    assert balances.wait_for_credits(108) == 100
    assert 0 < clock.now - first < first / 2


def test_changes_are_examined_once(balances: Balances, clock: Clock) -> None:
    """If no other client spends, earlier changes of a balance are the server's own."""
    balances.starting_balances["valid"] = 100
    balances.client.idle_changes = 2
    assert balances.foreign_change() is None
    assert clock.now > 0
    assert balances.client.idle_changes == 0


def test_task_in_progress_changes_balances_unlike_another_client(balances: Balances) -> None:
    """A balance that was read while a task was in progress may differ from the next one."""
    client = balances.client
    task = ObservedGeneration(
        "a task", GenerationFixture("A prompt"), 1, "1024x1024", Exchange(Request("POST", ""), 202)
    )
    with balances.in_progress(task):
        client.observe_balance("valid", 92, client.budget)
    client.observe_balance("valid", 100, client.budget)
    assert client.idle_changes == 0
    client.observe_balance("valid", 90, client.budget)
    assert client.idle_changes == 1

"""With a slow implementation checks of different accounts run side by side."""

from __future__ import annotations

from collections.abc import Callable
from threading import Barrier

import pytest

from mockhub.mutants.self_test import build_profile as build_complete_profile
from mockhub.mutants.serving import running
from mockhub.verify.balances import Balances
from mockhub.verify.budget import Budget
from mockhub.verify.check import Check
from mockhub.verify.clauses import DOCUMENTED, LEVELS
from mockhub.verify.client import BudgetedClient
from mockhub.verify.context import CheckContext
from mockhub.verify.outcomes import Failed, Outcome
from mockhub.verify.run import Run
from mockhub.verify.runner import run as verify
from tests.support.scripted_server import build_profile, problems

_SECONDS = 30  # in which two threads meet


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a run whose implementation is slow, and from which nothing is requested."""
    monkeypatch.setattr(Balances, "is_slow", True)
    client = BudgetedClient(build_profile("http://127.0.0.1:1"), Budget(0))
    return Run(client, CheckContext(client, DOCUMENTED, 0), lambda check, result: None)


def _check(name: str, account: str, function: Callable[[], object]) -> Check:
    return Check(
        *(name, ("LED-1",), DOCUMENTED, (), (), 0, name, lambda context: function() and None),
        account=account,
    )


def test_checks_of_different_accounts_run_side_by_side(run: Run) -> None:
    """A check of an account runs beside one of another account, and after one of its own."""
    meeting, order = Barrier(2), list[str]()

    def meet(name: str) -> None:
        order.append(name)
        meeting.wait(_SECONDS)

    checks = [
        _check("first", "valid", lambda: meet("first")),
        _check("beside", "other", lambda: meet("beside")),
        _check("second", "valid", lambda: order.append("second")),
    ]
    run.run_all(checks)
    assert run.no_failures
    assert sorted(order[:2]) == ["beside", "first"]
    assert order[2:] == ["second"]


def test_check_that_fails_beside_others_runs_again_alone(run: Run) -> None:
    """A failure beside others may be theirs: only the check that failed runs again and may pay."""
    ran: list[str] = []

    def fail_once() -> None:
        ran.append("fails")
        if ran.count("fails") == 1:
            raise Failed("beside others")

    checks = [
        _check("fails", "valid", fail_once),
        _check("passes", "other", lambda: ran.append("passes")),
    ]
    results = []
    run.progress = lambda check, result: results.append(result)
    run.run_all(checks)
    assert sorted(ran) == ["fails", "fails", "passes"]
    assert {result.outcome for result in results} == {Outcome.PASSED}


@pytest.mark.parametrize("level", LEVELS)
def test_conforming_server_passes_side_by_side(monkeypatch: pytest.MonkeyPatch, level: str) -> None:
    """A server whose tasks end while they are polled fails nothing, whatever runs beside it."""
    monkeypatch.setattr(Balances, "is_slow", True)
    with running(lambda server: None) as server:
        report = verify(build_complete_profile(server, poll_timeout=10), level=level, seed=10)
    assert problems(report) == []

"""A task that ends after `limits.poll_timeout` may change a balance at any later moment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from mockhub.verify.budget import Budget
from mockhub.verify.check import Check
from mockhub.verify.clauses import DOCUMENTED
from mockhub.verify.client import BudgetedClient
from mockhub.verify.context import CheckContext
from mockhub.verify.exchange import Exchange
from mockhub.verify.exchange import Request as SentRequest
from mockhub.verify.fixtures import FIXTURES
from mockhub.verify.generation import ObservedGeneration
from mockhub.verify.outcomes import Failed, Inconclusive, Outcome
from mockhub.verify.polling import poll_until_final
from mockhub.verify.results import CheckResult
from mockhub.verify.run import Run
from tests.support.scripted_server import (
    Request,
    Response,
    build_profile,
    json_response,
    scripted_server,
)


def fail(context: CheckContext) -> None:
    raise Failed("the balance of valid is 876")


@pytest.mark.parametrize(
    ("last_status", "clause", "outcome"),
    [
        ("failed", "LED-2", Outcome.INCONCLUSIVE),
        ("failed", "REQ-1", Outcome.FAILED),
        ("processing", "LED-2", Outcome.FAILED),
    ],
)
def test_failure_about_a_balance_is_inconclusive_after_a_late_end(
    last_status: str, clause: str, outcome: Outcome
) -> None:
    with _run_after_unfinished_task() as (statuses, run, results):
        statuses.append(last_status)
        run.run_all([Check("a", (clause,), DOCUMENTED, (), (), 0, "a", fail)])
    assert [result.outcome for result in results] == [outcome]
    assert ("limits.poll_timeout" in results[0].message) == (outcome == Outcome.INCONCLUSIVE)


def test_failure_remains_if_the_task_cannot_be_polled(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the time of a run, for example, nothing more is sent."""

    def refuse(*_: object, **__: object) -> None:
        raise Inconclusive("not sent: the time is over")

    with _run_after_unfinished_task() as (_, run, results):
        monkeypatch.setattr(BudgetedClient, "get", refuse)
        run.run_all([Check("a", ("LED-2",), DOCUMENTED, (), (), 0, "a", fail)])
    assert [result.outcome for result in results] == [Outcome.FAILED]


@contextmanager
def _run_after_unfinished_task() -> Iterator[tuple[list[str], Run, list[CheckResult]]]:
    """Yield the statuses of a task that has not ended, a run that knows it, and its results."""
    statuses, results = ["processing"], list[CheckResult]()

    def respond(request: Request) -> Response:
        return json_response({"id": "clx_a", "status": statuses[-1]})

    with scripted_server(respond) as url:
        client = BudgetedClient(build_profile(url, poll_timeout=0.05), Budget(0))
        context = CheckContext(client, DOCUMENTED, 0)
        exchange = Exchange(SentRequest("POST", url), 202, {}, b'{"id": "clx_a"}')
        task = ObservedGeneration("failure_async", FIXTURES["failure_async"], 1, "auto", exchange)
        poll_until_final(client, task)
        context.history.append(task)
        yield statuses, Run(client, context, lambda check, result: results.append(result)), results

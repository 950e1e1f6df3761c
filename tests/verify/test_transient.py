"""Transient failures in front of a server do not make the suite accuse it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import pytest

from mockhub.verify import client
from mockhub.verify.budget import Budget
from mockhub.verify.client import BudgetedClient
from mockhub.verify.outcomes import Inconclusive
from mockhub.verify.runner import run
from tests.support.scripted_server import (
    Request,
    Response,
    build_profile,
    forward_to,
    json_response,
    mock,
    mock_with_changes,
    scripted_server,
)
from tests.support.unreliable_proxy import unreliable_mock

_BALANCE = {"credits": 100, "account_type": "PRO", "next_expiration": None}
_THREE_IMAGES = re.compile(rb'"n": ?3|name="n"\r\n\r\n3')  # in JSON or a form
_ERROR = {"error": {"message": "no", "code": "generationFailed"}}


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_PAUSE", 0.0)


@contextmanager
def _client(*responses: Response, max_time: float = 60) -> Iterator[tuple[BudgetedClient, list]]:
    """Yield a client, and the POSTs to a server that answers them with *responses*."""
    posts: list[Request] = []

    def handle(request: Request) -> Response:
        if request.method == "GET":
            return json_response(_BALANCE)
        posts.append(request)
        return responses[min(len(posts), len(responses)) - 1]

    with scripted_server(handle) as url:
        sender = BudgetedClient(build_profile(url), Budget(100), max_time=max_time)
        sender.get("credits")
        yield sender, posts
        sender.close()


@pytest.mark.parametrize("seed", [1, 2])
def test_transient_failures_fail_no_clause(seed: int) -> None:
    """A server behind a proxy that fails 3 % of the requests fails no clause."""
    with unreliable_mock(0.03, seed=seed) as url:
        report = run(build_profile(url), keyword="LED or RET or AUTH", no_fuzz=True, seed=seed)
    assert report.transient_failures > 0
    assert report.with_outcome("failed") == []
    assert "sent again after transient failures" in report.summary


@pytest.mark.parametrize(
    "failure",
    [
        Response(502, b"Bad Gateway"),
        Response(504, b"<html>"),
        Response(0),
        Response(429, b"{}", (("Retry-After", "0"),)),
    ],
    ids=["502", "504", "closed", "429"],
)
def test_request_that_cost_nothing_is_repeated(failure: Response) -> None:
    """A POST that failed on its way and was not charged is sent again."""
    with _client(failure, json_response({})) as (sender, posts):
        assert sender.post({}, cost=8).status == 200
    assert len(posts) == 2
    assert len(sender.transient_failures) == 1


@pytest.mark.parametrize(
    "failure", [json_response(_ERROR, 502), Response(500, b"crash"), Response(429, b"{}")]
)
def test_failure_of_the_api_is_not_repeated(failure: Response) -> None:
    """An error in the documented shape, a 500, and a 429 without Retry-After are final."""
    with _client(failure) as (sender, posts):
        assert sender.post({}, cost=8).status == failure.status
    assert len(posts) == 1


def test_request_is_not_repeated_for_ever() -> None:
    """After three attempts the failure is what the server does."""
    with _client(Response(502)) as (sender, posts):
        assert sender.post({}).status == 502
        assert len(posts) == 3
        assert sender.post({}).status == 502  # one attempt: it has just failed three times
    assert len(posts) == 4


def test_charged_request_is_not_repeated() -> None:
    """A response that is lost after the charge is inconclusive, and nothing is paid twice."""
    lost: list[Request] = []

    def lose_first_generation(request: Request, response: Response) -> Response | None:
        if request.method != "POST" or response.status != 200 or len(lost) >= 1:
            return None
        lost.append(request)
        return Response(0)

    with mock_with_changes(lose_first_generation) as url:
        report = run(build_profile(url), keyword="GEN-6 or LED-1", no_fuzz=True)
    outcomes = {clause.id: clause.outcome for clause in report.clauses}
    assert (outcomes["GEN-6"], report.with_outcome("failed")) == ("passed", [])
    assert "its response was lost" in report.with_outcome("inconclusive")[0].reason


@pytest.mark.parametrize(("failures", "outcome"), [(3, "inconclusive"), (1000, "failed")])
def test_request_that_fails_in_each_attempt(failures: int, outcome: str) -> None:
    """A request that fails three times fails its check only if it fails for ever."""
    with mock() as served:
        failed = count()

        def handle(request: Request) -> Response:
            if _THREE_IMAGES.search(request.body) and next(failed) < failures:
                return Response(502, b"Bad Gateway")
            return forward_to(served.client, request)

        with scripted_server(handle) as url:
            report = run(build_profile(url), keyword="request_accepts_each_n", no_fuzz=True)
    assert [clause.id for clause in report.with_outcome(outcome)] == ["REQ-5"]


def test_nothing_is_sent_after_max_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """After `max_time` requests are inconclusive, so that a run always ends."""
    with _client(json_response({}), max_time=60) as (sender, posts):
        later = time.monotonic() + 61
        monkeypatch.setattr(client.time, "monotonic", lambda: later)
        with pytest.raises(Inconclusive, match="--max-time"):
            sender.post({})
        monkeypatch.undo()
    assert posts == []


def test_waiting_for_a_server_ends_with_max_time() -> None:
    """A server that asks to wait longer than the run may take is not waited for."""
    busy = Response(503, b"", (("Retry-After", "30"),))
    with _client(busy, max_time=5) as (sender, posts):
        assert sender.post({}).status == 503
    assert len(posts) == 1

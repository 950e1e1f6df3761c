"""Conforming servers that interpret open points otherwise pass at level documented."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event, Thread
from typing import Any

import pytest

from mockhub._timestamps import SECOND
from mockhub.domain.accounts import Account
from mockhub.domain.provider import Outcome, Provider
from mockhub.faults.grammar import parse_directives
from mockhub.verify.profile import Partial
from mockhub.verify.run import Run
from mockhub.verify.runner import run
from tests.support.live_server import LiveHub
from tests.support.scripted_server import (
    KEYS,
    Change,
    Request,
    Response,
    build_profile,
    json_response,
    mock,
    mock_with_changes,
    problems,
)

_DAY = 24 * 3600 * SECOND

BodyChange = Callable[[Request, dict[str, Any]], dict[str, Any]]


def _change_body(change: BodyChange) -> Change:
    def change_response(request: Request, response: Response) -> Response | None:
        body = response.json()
        if not isinstance(body, dict):
            return None
        return json_response(change(request, body), response.status)

    return change_response


def _models_by_id(request: Request, body: dict[str, Any]) -> dict[str, Any]:
    """Return a model list keyed by id, with other field names."""
    if not request.path.endswith("/models"):
        return body
    model = body["data"][0]
    renamed = {
        "vendor": model["provider"],
        "aspectRatios": [{"id": ratio} for ratio in model["supported_aspect_ratios"]],
        "resolutions": {
            tier: {"credits": cost} for tier, cost in model["credits_per_image"].items()
        },
        "limits": {"reference_image_limit": model["reference_image_limit"]},
    }
    return {"models": {model["id"]: renamed, "another": {**renamed, "vendor": "gemini"}}}


def _nested_balance(request: Request, body: dict[str, Any]) -> dict[str, Any]:
    """Return a balance within an object, with an expiration that is a date."""
    if request.path.endswith("/credits") and "credits" in body:
        return {"object": "balance", "balance": {**body, "next_expiration": "2027-01-31"}}
    if "balance" in body:
        body["balance"]["next_expiration"] = "2027-01-31"
    return body


@pytest.mark.parametrize("change", [_models_by_id, _nested_balance], ids=["model-list", "balance"])
def test_undocumented_shape_passes(change: BodyChange) -> None:
    """Another shape of a body that the documentation does not show passes."""
    keyword = "MOD or CRD or END-1 or END-2"
    with mock_with_changes(_change_body(change)) as url:
        report = run(build_profile(url), keyword=keyword, no_fuzz=True)
    assert problems(report) == []


def test_slow_tasks_pass() -> None:
    """The generations of a slow implementation run in parallel, and no clause fails."""
    with mock() as served:
        served.backend.provider = Provider([Outcome(duration=600)])
        profile = build_profile(
            served.url,
            provider_failure="A storm [[fail duration=600ms]]",
            partial=Partial("Two of them [[deliver=3 duration=600ms]]", 4, 3),
        )
        report = run(profile, keyword="ASY or LED or GEN", no_fuzz=True)
    assert problems(report) == []


@pytest.mark.parametrize(("limit", "outcome"), [(None, "inconclusive"), (0.3, "failed")])
def test_task_that_never_ends(limit: float | None, outcome: str) -> None:
    """A task that outlives limits.poll_timeout fails only after the documented limit (ASY-5)."""
    with mock() as served:
        served.backend.provider = Provider([Outcome(), Outcome(never=True)])
        profile = build_profile(
            served.url, poll_timeout=0.3, generation_limit=limit, provider_failure=None
        )  # failures would be synchronous too, and end after the documented 800 s only
        report = run(profile, keyword="ASY-5", no_fuzz=True)
    clauses = {clause.id: clause for clause in report.with_outcome(outcome)}
    assert "limits.poll_timeout" in clauses["ASY-5"].reason


def test_tasks_that_have_not_ended_are_not_compared() -> None:
    """The saved body of a task that outlives limits.poll_timeout decides nothing (RET-1)."""
    tasks = set()

    def never_end(request: Request, body: dict[str, Any]) -> dict[str, Any]:
        if body.get("status") == "queued":
            tasks.add(body["id"])
        is_task = body.get("id") in tasks and request.method == "GET"
        return body | {"status": "processing", "images": []} if is_task else body

    with mock_with_changes(_change_body(never_end)) as url:
        profile = build_profile(url, poll_timeout=0.1)
        report = run(profile, keyword="retrieve_returns", no_fuzz=True)
    assert tasks
    assert [clause.id for clause in report.with_outcome("failed")] == []


def test_credits_in_several_lots_pass() -> None:
    """Credits that expire in lots, used up one after the other, violate no clause (CRD-1)."""
    with mock() as served:
        key = served.server.call(lambda: _account_with_lots(served))
        profile = build_profile(served.url, keys={**KEYS, "valid": key})
        report = run(profile, keyword="CRD-1 or LED-1", no_fuzz=True)
    assert problems(report) == []


def _account_with_lots(served: LiveHub) -> str:
    account = served.backend.add_account("lots")
    now = served.backend.clock.now()
    for days in (1, 2, 3, 4, 5, 6, 7, 8):
        served.backend.grant(account, 50, expires_at=now + days * _DAY)
    return served.backend.add_key("lots")


def test_foreign_spending_is_no_defect(monkeypatch: pytest.MonkeyPatch) -> None:
    """While another client spends from the account, its clauses are inconclusive, and say so.

    It does so between any two reads, which are slow.
    """
    monkeypatch.setattr(Run, "_may_be_shared", True)
    with mock() as served:
        stop = Event()
        slow = parse_directives("delay=25ms on=get_credits")
        served.server.call(lambda: served.backend.arm(slow))

        def spend() -> None:
            while not stop.wait(0.1):
                served.server.call(lambda: served.backend.grant(_account_of(served), 3))

        spender = Thread(target=spend)
        spender.start()
        try:
            report = run(build_profile(served.url), keyword="LED-1 or CRD", no_fuzz=True)
        finally:
            stop.set()
            spender.join()
    assert report.with_outcome("failed") == []
    reasons = [clause.reason for clause in report.with_outcome("inconclusive")]
    assert any("another client uses these accounts" in reason for reason in reasons)


def _account_of(served: LiveHub) -> Account:
    return served.backend.accounts["rich"]


@pytest.mark.parametrize("credits", [16, 40, 80])
def test_low_account_may_have_any_small_balance(credits: int) -> None:
    """Credits for two images or ten: the suite spends them, and the balance ends at 0."""
    with mock() as served:
        key = served.server.call(lambda: _account(served, credits))
        profile = build_profile(served.url, keys={**KEYS, "low": key})
        report = run(profile, keyword="ledger", level="inferred", no_fuzz=True)
    assert problems(report) == []
    outcomes = {clause.id: clause.outcome for clause in report.clauses}
    assert (outcomes["LED-4"], outcomes["LED-7"]) == ("passed", "passed")


def _account(served: LiveHub, credits: int) -> str:
    account = served.backend.add_account("few")
    served.backend.grant(account, credits)
    return served.backend.add_key("few")

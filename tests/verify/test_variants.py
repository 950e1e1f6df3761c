"""What the page leaves open is not flagged at level documented, by hand-made answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mockhub.domain.provider import Outcome, Provider
from mockhub.verify.profile import Partial
from mockhub.verify.runner import run
from tests.support.live_server import LiveHub
from tests.support.scripted_server import (
    KEYS,
    Request,
    Response,
    build_profile,
    json_response,
    mock,
    mock_with_changes,
)

Change = Callable[[Request, Any], Any]


def _changing(change: Change) -> Callable[[Request, Response], Response | None]:
    def altering(request: Request, reply: Response) -> Response | None:
        body = Request("", "", {}, reply.body).json()
        return (
            json_response(change(request, body), reply.status) if isinstance(body, dict) else None
        )

    return altering


def _keyed(request: Request, body: dict[str, Any]) -> dict[str, Any]:
    """A model list keyed by id, in other words."""
    if not request.path.endswith("/models"):
        return body
    model = body["data"][0]
    told = {
        "vendor": model["provider"],
        "aspectRatios": [{"id": ratio} for ratio in model["supported_aspect_ratios"]],
        "resolutions": {
            tier: {"credits": cost} for tier, cost in model["credits_per_image"].items()
        },
        "limits": {"reference_image_limit": model["reference_image_limit"]},
    }
    return {"models": {model["id"]: told, "another": {**told, "vendor": "gemini"}}}


def _nested(request: Request, body: dict[str, Any]) -> dict[str, Any]:
    """A balance within an object, in fractions, that expires on a day."""
    if request.path.endswith("/credits") and "credits" in body:
        return {"object": "balance", "balance": {**body, "next_expiration": "2027-01-31"}}
    if "balance" in body:
        body["balance"]["next_expiration"] = "2027-01-31"
    return body


@pytest.mark.parametrize("change", [_keyed, _nested], ids=["model-list", "balance"])
def test_another_shape_is_not_flagged(change: Change) -> None:
    """Where the page shows no body, another one that tells the same passes."""
    only = "MOD or CRD or END-1 or END-2"
    with mock_with_changes(_changing(change)) as url:
        report = run(build_profile(url), keyword=only, no_fuzz=True)
    assert [
        (clause.id, clause.reason) for clause in report.with_outcome("failed", "inconclusive")
    ] == []


def test_slow_tasks_are_waited_for() -> None:
    """An implementation that takes its time is judged side by side, and nothing is flagged."""
    with mock() as served:
        served.backend.provider = Provider([Outcome(duration=600)])
        profile = build_profile(
            served.url,
            provider_failure="A storm [[fail duration=600ms]]",
            partial=Partial("Two of them [[deliver=3 duration=600ms]]", 4, 3),
        )
        report = run(profile, keyword="ASY or LED or GEN", no_fuzz=True)
    assert [
        (clause.id, clause.reason) for clause in report.with_outcome("failed", "inconclusive")
    ] == []


def test_a_task_that_never_ends_is_broken() -> None:
    """A task that has not ended within limits.poll_timeout breaks ASY-5."""
    with mock() as served:
        served.backend.provider = Provider([Outcome(), Outcome(never=True)])
        report = run(build_profile(served.url, poll_timeout=0.3), keyword="ASY-5", no_fuzz=True)
    assert "ASY-5" in {clause.id for clause in report.with_outcome("failed")}


@pytest.mark.parametrize("credits", [16, 40, 80])
def test_the_low_account_may_have_any_small_balance(credits: int) -> None:
    """Two images' worth or ten: what is too much is spent, and the balance ends at nothing."""
    with mock() as served:
        key = served.server.call(lambda: _account(served, credits))
        profile = build_profile(served.url, keys={**KEYS, "low": key})
        report = run(profile, keyword="ledger", level="inferred", no_fuzz=True)
    assert report.exit_code == 0, [
        (one.id, one.reason) for one in report.with_outcome("failed", "inconclusive")
    ]
    found = {clause.id: clause.outcome for clause in report.clauses}
    assert (found["LED-4"], found["LED-7"]) == ("passed", "passed")


def _account(served: LiveHub, credits: int) -> str:
    account = served.backend.add_account("few")
    served.backend.grant(account, credits)
    return served.backend.add_key("few")

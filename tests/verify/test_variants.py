"""Conforming servers that interpret open points otherwise pass at level documented."""

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
    Change,
    Request,
    Response,
    build_profile,
    json_response,
    mock,
    mock_with_changes,
    problems,
)

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


def test_task_that_never_ends_fails() -> None:
    """A task that has not ended within limits.poll_timeout violates ASY-5."""
    with mock() as served:
        served.backend.provider = Provider([Outcome(), Outcome(never=True)])
        report = run(build_profile(served.url, poll_timeout=0.3), keyword="ASY-5", no_fuzz=True)
    assert "ASY-5" in {clause.id for clause in report.with_outcome("failed")}


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

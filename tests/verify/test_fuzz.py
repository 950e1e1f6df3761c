"""Checks with generated requests: they find defects that only a sequence shows."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import count
from typing import Any, cast

import pytest

from contract_tests.stateful_model import RunState
from contract_tests.validity import Validity, classify, violated_clause
from mockhub.verify import context
from mockhub.verify.context import CheckContext
from mockhub.verify.outcomes import Failed
from mockhub.verify.runner import DEFAULT_BUDGET, run
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

ONLY = "random"
VALID, INVALID, UNSPECIFIED = Validity
GOOD_BODY = {"model": "gpt-image-2", "prompt": "A lighthouse", "size": "auto"}


@pytest.fixture(autouse=True)
def no_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Finish every check, however busy the machine is."""
    monkeypatch.setattr(context, "TIME_LIMIT_SECONDS", 600)


@pytest.mark.parametrize(("seed", "level"), [(1, "documented"), (2, "inferred")])
def test_mock_passes_with_any_seed(seed: int, level: str) -> None:
    """Generated sequences and bodies find nothing in our own mock, within the budget."""
    with mock() as served:
        report = run(build_profile(served.url), seed=seed, level=level, keyword=ONLY, budget=120)
    assert problems(report) == []
    assert {"LED-1", "REQ-10"} <= {clause.id for clause in report.with_outcome("passed")}
    assert report.credits_spent <= 120


def _every_second(change: Callable[[dict[str, Any]], None]) -> Change:
    numbers = count(1)

    def change_response(request: Request, response: Response) -> Response | None:
        if request.method != "POST" or response.status != 200 or next(numbers) % 2:
            return None
        body = response.json()
        change(body)
        return json_response(body)

    return change_response


def test_failing_sequence_is_printed_as_steps() -> None:
    """A failing sequence is shown as numbered steps, short enough to repeat by hand."""
    change = _every_second(lambda body: body["balance"].update(credits=0))
    with mock_with_changes(change) as url:
        report = run(build_profile(url), seed=3, keyword="random_sequences")
    assert report.exit_code == 1
    assert "after: 1. " in report.with_outcome("failed")[0].reason
    assert report.credits_spent <= DEFAULT_BUDGET


def test_failing_sequence_names_the_clause_of_its_last_step() -> None:
    """A generation that all users can read breaks the rule about owners, not that of charges."""

    def forget_owner(request: Request, response: Response) -> Response | None:
        is_read = "/generations/" in request.path
        return json_response({}) if is_read and response.status == 404 else None

    with mock_with_changes(forget_owner) as url:
        report = run(build_profile(url), seed=3, keyword="random_sequences")
    [finding] = report.findings
    assert finding.clause.id == "RET-2"


def test_generated_bodies_are_sent_after_a_failure() -> None:
    """A server that has already failed is tested with bodies, but pays for no sequences."""

    def change(request: Request, response: Response) -> Response | None:
        return json_response({}, 500) if request.path.endswith("/models") else None

    with mock_with_changes(change) as url:
        report = run(build_profile(url), keyword="END-1 or random")
    outcomes = {check.name: check.outcome for one in report.clauses for check in one.checks}
    assert outcomes["models_need_no_key"] == "failed"
    assert (outcomes["random_bodies"], outcomes["random_sequences"]) == ("passed", "skipped")


@pytest.mark.parametrize(
    ("body", "documented", "inferred"),
    [
        (GOOD_BODY, UNSPECIFIED, VALID),
        ({**GOOD_BODY, "n": 1, "quality": "high"}, VALID, VALID),
        ({**GOOD_BODY, "n": 4, "quality": "low", "async": True}, VALID, VALID),
        ({**GOOD_BODY, "n": 5}, INVALID, INVALID),
        ({**GOOD_BODY, "n": 0}, INVALID, INVALID),
        ({**GOOD_BODY, "quality": "best"}, INVALID, INVALID),
        ({**GOOD_BODY, "size": "huge"}, INVALID, INVALID),
        ({**GOOD_BODY, "size": "1024x1024px"}, INVALID, INVALID),
        ({**GOOD_BODY, "size": " 1024X1024"}, UNSPECIFIED, INVALID),
        ({**GOOD_BODY, "quality": "high "}, UNSPECIFIED, INVALID),
        ({**GOOD_BODY, "model": "gpt-image-2 "}, UNSPECIFIED, INVALID),
        ({**GOOD_BODY, "reference_image": " "}, UNSPECIFIED, INVALID),
        ({**GOOD_BODY, "model": "other"}, INVALID, INVALID),
        ({"prompt": "A lighthouse", "size": "auto"}, INVALID, INVALID),
        ([], INVALID, INVALID),
        ({**GOOD_BODY, "prompt": None}, UNSPECIFIED, INVALID),
        ({**GOOD_BODY, "n": None}, UNSPECIFIED, UNSPECIFIED),
        ({**GOOD_BODY, "n": "2"}, UNSPECIFIED, INVALID),
        ({**GOOD_BODY, "n": 2.0}, UNSPECIFIED, UNSPECIFIED),
        ({**GOOD_BODY, "prompt": "\ud800"}, UNSPECIFIED, UNSPECIFIED),
        ({**GOOD_BODY, "style": "vivid"}, UNSPECIFIED, UNSPECIFIED),
        ({"model": "gpt-image-2", "prompt": "A lighthouse"}, UNSPECIFIED, UNSPECIFIED),
        (b"{", UNSPECIFIED, UNSPECIFIED),
    ],
)
def test_open_points_are_unspecified(body: object, documented: str, inferred: str) -> None:
    """A generated body is valid or invalid only if the level says so."""
    assert classify(body, documented=True) == documented
    assert classify(body, documented=False) == inferred


@pytest.mark.parametrize(
    ("change", "clause"),
    [
        ({"n": 5}, "REQ-5"),
        ({"n": "2"}, "REQ-12"),
        ({"async": "yes"}, "REQ-12"),
        ({"prompt": 5}, "REQ-11"),
        ({"prompt": ""}, "REQ-11"),
        ({"model": 5}, "REQ-1"),
        ({"size": "1000x1000"}, "REQ-13"),
        ({"quality": "best", "prompt": ""}, "REQ-4"),
        ({}, ""),
    ],
)
def test_failure_of_an_invalid_body_is_about_its_field(
    change: dict[str, object], clause: str
) -> None:
    assert violated_clause({**GOOD_BODY, **change}) == clause


def test_missing_prompt_violates_its_clause() -> None:
    assert violated_clause({"model": "gpt-image-2", "size": "auto"}) == "REQ-11"


def test_failure_of_a_generated_body_says_what_is_invalid() -> None:
    """The finding has the fields, their clause and the level of that."""

    def accept_any_prompt(request: Request, response: Response) -> Response | None:
        media_type = request.headers.get("Content-Type", "")
        if media_type != "application/json" or response.status != 400:
            return None
        if violated_clause(json.loads(request.body)) != "REQ-11":
            return None
        return json_response({"error": {"message": "No", "code": "insufficientCredits"}}, 402)

    with mock_with_changes(accept_any_prompt) as url:
        profile = build_profile(url)
        report = run(profile, seed=1, level="inferred", keyword="random_bodies", examples=64)
    [finding] = report.findings
    assert (finding.clause.id, finding.level) == ("REQ-11", "inferred")
    assert finding.result.message.endswith("HTTP 402 where 400 was expected")


def _charge_another_user(request: Request, response: Response) -> Response | None:
    """Report a credit less to the first user once the other one has paid."""
    if (
        request.method == "POST"
        and request.headers.get("Authorization") == f"Bearer {KEYS['other']}"
    ):
        _charged.append(response.status)
    is_balance = request.path.endswith("credits") and response.status == 200
    if not is_balance or not _charged or KEYS["valid"] not in request.headers["Authorization"]:
        return None
    body = response.json()
    return json_response({**body, "credits": body["credits"] - 8})


_charged: list[int] = []


def test_payment_of_another_user_is_a_rule() -> None:
    """A sequence finds a server that charges the wrong user, and shows the shortest one."""
    _charged.clear()
    with mock_with_changes(_charge_another_user) as url:
        report = run(build_profile(url), seed=1, keyword="random_sequences", budget=400)
    assert _charged
    assert report.exit_code == 1
    assert "as another user" in report.findings[0].result.message


def test_more_examples_send_more_requests() -> None:
    """No constant bounds the random part."""
    counts = []
    with mock() as served:
        for examples in (1, 8):
            profile = build_profile(served.url)
            report = run(profile, seed=1, keyword="random_bodies", examples=examples)
            assert problems(report) == []
            counts.append(report.requests)
    assert counts[1] > 2 * counts[0]


def test_cheaper_failure_of_the_same_length_is_kept() -> None:
    """Sequences are compared by their length, then by their credits."""
    state = RunState(cast(CheckContext, None))
    for steps, cost in ((["a", "b"], 8), (["c", "d"], 48), (["e", "f"], 0), (["g", "h", "i"], 0)):
        state.record_failure(steps, Failed("wrong"), cost)
    assert state.shortest_failure is not None
    assert state.shortest_failure[0] == ["e", "f"]

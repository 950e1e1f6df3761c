"""Runs of the suite: the mock conforms, defects are found, odd servers end with an outcome."""

from __future__ import annotations

from threading import Event

import pytest

from mockhub.verify import client
from mockhub.verify.clauses import clauses
from mockhub.verify.run import UnreachableError
from mockhub.verify.run_check import UNINTERPRETED
from mockhub.verify.runner import DEFAULT_BUDGETS, run, select_checks
from tests.support.scripted_server import (
    Change,
    Request,
    Response,
    build_profile,
    json_response,
    mock,
    mock_with_changes,
    problems,
    scripted_server,
)


@pytest.mark.parametrize("level", ["documented", "inferred"])
def test_mock_conforms_within_budget(level: str) -> None:
    """No clause of our own mock fails or is inconclusive, within the default budget."""
    with mock() as served:
        report = run(build_profile(served.url), level=level, no_fuzz=True)
    assert problems(report) == []
    assert report.exit_code == 0
    assert 0 < report.credits_spent <= DEFAULT_BUDGETS[level]


def test_every_clause_has_a_check() -> None:
    """Each clause has at least one check."""
    checked = {name for check in select_checks("inferred") for name in check.clauses}
    assert clauses().keys() - checked == set()


def test_second_run_on_same_server_fails_no_clause() -> None:
    """keys.low is spent after a run; its clauses are then inconclusive, not failed."""
    with mock() as served:
        first = run(build_profile(served.url), keyword="LED or CRD", no_fuzz=True)
        second = run(build_profile(served.url), keyword="LED or CRD", no_fuzz=True)
    assert first.exit_code == 0
    assert [clause.id for clause in second.with_outcome("failed")] == []
    assert second.exit_code == 3


def test_clauses_without_key_are_skipped() -> None:
    """Clauses whose keys are missing in the profile are skipped, not passed."""
    with mock() as served:
        profile = build_profile(served.url, keys={"valid": build_profile("").keys["valid"]})
        report = run(profile, no_fuzz=True)
    outcomes = {clause.id: clause.outcome for clause in report.clauses}
    assert report.exit_code == 0
    assert {outcomes[name] for name in ("AUTH-5", "AUTH-6", "RET-2", "LED-4")} == {"skipped"}


def _replace_code(status: int, code: str) -> Change:
    def change(request: Request, response: Response) -> Response | None:
        if response.status != status:
            return None
        return json_response({"error": {"message": "No", "code": code}}, status)

    return change


def _double_credits(request: Request, response: Response) -> Response | None:
    if request.path != "/api/v1/images/generations" or response.status != 200:
        return None
    body = response.json()
    body["usage"]["credits"] *= 2
    return json_response(body)


def _change_image_ids(request: Request, response: Response) -> Response | None:
    if "/generations/" not in request.path or response.status != 200:
        return None
    body = response.json()
    for image in body["images"]:
        image["id"] += str(id(request))
    return json_response(body)


@pytest.mark.parametrize(
    ("clause", "change"),
    [
        ("REQ-4", _replace_code(400, "invalidRequest")),
        ("AUTH-3", _replace_code(401, "invalidApiKey")),
        ("RET-2", _replace_code(404, "forbidden")),
        ("LED-4", _replace_code(402, "insufficient_credits")),
        ("ERR-2", _replace_code(400, "bad_request")),
        ("ERR-6", _replace_code(500, "generation_failed")),
        ("GEN-6", _double_credits),
        ("RET-1", _change_image_ids),
    ],
)
def test_defect_fails_its_clause(clause: str, change: Change) -> None:
    """A server with one defect fails the clause that it violates, with evidence."""
    with mock_with_changes(change) as url:
        report = run(build_profile(url), keyword=clause, no_fuzz=True)
    failed = {clause.id: clause for clause in report.with_outcome("failed")}
    assert report.exit_code == 1
    assert clause in failed
    deciding = failed[clause].deciding
    assert deciding is not None
    assert deciding.evidence[0].curl().startswith("curl ")


@pytest.mark.parametrize(
    "response",
    [
        Response(200, b"<html>hello</html>", (("Content-Type", "text/html"),)),
        Response(301, b"", (("Location", "https://example.com/"),)),
        Response(200, b'[[1, null], "a"]'),
        Response(200, b"null"),
        Response(204, b""),
        Response(500, b"Internal Server Error"),
        Response(200, b'{"error": [], "data": 7, "credits": "many", "id": 5, "images": {}}'),
    ],
    ids=["html", "redirect", "list", "null", "empty", "crash", "wrong-types"],
)
def test_meaningless_responses_fail(response: Response) -> None:
    """Whatever a server responds, every check ends with an outcome, and none crashes."""
    with scripted_server(lambda request: response) as url:
        report = run(build_profile(url), level="inferred", keyword="not REQ-9", no_fuzz=True)
    assert report.exit_code == 1
    crashed = [
        (check.name, check.message)
        for clause in report.clauses
        for check in clause.checks
        if check.message.startswith(UNINTERPRETED)
    ]
    assert crashed == []


def test_server_that_closes_every_connection_is_unreachable() -> None:
    """A server that never responds cannot be checked."""
    with (
        scripted_server(lambda request: Response(0)) as url,
        pytest.raises(UnreachableError, match="closed"),
    ):
        run(build_profile(url), no_fuzz=True)


def test_server_that_closes_connections_of_posts_fails() -> None:
    """A POST without a response violates END-3."""
    with mock_with_changes(
        lambda request, response: Response(0) if request.method == "POST" else None
    ) as url:
        report = run(build_profile(url), keyword="END-3", no_fuzz=True)
    assert "END-3" in {clause.id for clause in report.with_outcome("failed")}


def test_keyword_selects_clauses() -> None:
    """-k runs only the checks that match."""
    with mock() as served:
        report = run(build_profile(served.url), keyword="MOD and not MOD-4", no_fuzz=True)
    assert {"MOD-1", "MOD-2", "MOD-5", "MOD-6", "MOD-7"} <= {
        clause.id for clause in report.with_outcome("passed")
    }
    assert "MOD-4" not in {clause.id for clause in report.with_outcome("passed")}


def test_fail_fast_skips_all_checks_after_the_first_that_fails() -> None:
    """After a failure nothing more is sent, and every other check is skipped with the reason."""
    results = []
    with mock_with_changes(_replace_code(401, "invalidApiKey")) as url:
        run(
            build_profile(url),
            keyword="AUTH-3 or MOD or AUTH-4",
            no_fuzz=True,
            fail_fast=True,
            progress=lambda check, result: results.append(result),
        )
    outcomes = [result.outcome for result in results]
    assert outcomes.count("failed") == 1
    assert set(outcomes[outcomes.index("failed") + 1 :]) == {"skipped"}
    assert "--fail-fast" in results[-1].message


def test_unanswered_requests_are_not_repeated_forever(monkeypatch: pytest.MonkeyPatch) -> None:
    """After two requests of one kind without a response no more of it are sent."""
    monkeypatch.setattr(client, "GENERATE_TIMEOUT", 0.1)
    over, received = Event(), []

    def handler(request: Request) -> Response:
        if request.method == "POST":
            received.append(request)
            over.wait(20)
        return json_response({"credits": 100, "account_type": "PRO", "next_expiration": None})

    with scripted_server(handler) as url:
        try:
            report = run(build_profile(url), keyword="GEN or CRD-2", no_fuzz=True)
        finally:
            over.set()
    assert len(received) == 2
    outcomes = {clause.id: clause.outcome for clause in report.clauses}
    assert (outcomes["GEN-2"], outcomes["CRD-1"]) == ("inconclusive", "passed")

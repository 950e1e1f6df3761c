"""The suite judges: our mock passes, hand-made defects are found, weird servers end clearly."""

from __future__ import annotations

import json
from collections.abc import Callable
from threading import Event
from typing import Any

import pytest

from mockhub.verify import client
from mockhub.verify.clauses import clauses
from mockhub.verify.runner import DEFAULT_BUDGETS, UnreachableError, run, select_checks
from tests.support.scripted_server import (
    Request,
    Response,
    build_profile,
    json_response,
    mock,
    mock_with_changes,
    scripted_server,
)


@pytest.mark.parametrize("level", ["documented", "inferred"])
def test_the_mock_conforms_within_the_budget(level: str) -> None:
    """Our own mock breaks no clause and leaves none open, for at most 310 credits."""
    with mock() as served:
        report = run(build_profile(served.url), level=level, no_fuzz=True)
    assert [
        (clause.id, clause.reason) for clause in report.with_outcome("failed", "inconclusive")
    ] == []
    assert report.exit_code == 0
    assert 0 < report.credits_spent <= DEFAULT_BUDGETS[level]


def test_every_clause_that_a_profile_can_show_is_asked() -> None:
    """Each clause has at least one check."""
    asked = {name for check in select_checks("inferred") for name in check.clauses}
    assert set() == clauses().keys() - asked


def test_a_second_run_on_the_same_server_is_no_false_alarm() -> None:
    """The low account is empty after a run; its clauses are then inconclusive, not broken."""
    with mock() as served:
        first = run(build_profile(served.url), keyword="LED or CRD", no_fuzz=True)
        second = run(build_profile(served.url), keyword="LED or CRD", no_fuzz=True)
    assert first.exit_code == 0
    assert [clause.id for clause in second.with_outcome("failed")] == []
    assert second.exit_code == 3


def test_what_the_profile_lacks_is_not_asked() -> None:
    """Without keys and triggers their clauses are not asked, and none is passed for it."""
    with mock() as served:
        profile = build_profile(served.url, keys={"valid": build_profile("").keys["valid"]})
        report = run(profile, no_fuzz=True)
    found = {clause.id: clause.outcome for clause in report.clauses}
    assert report.exit_code == 0
    assert {"skipped"} == {found[name] for name in ("AUTH-5", "AUTH-6", "RET-2", "LED-4")}


def _swap(status: int, code: str) -> Callable[[Request, Response], Response | None]:
    def change(request: Request, reply: Response) -> Response | None:
        if reply.status != status:
            return None
        return json_response({"error": {"message": "No", "code": code}}, status)

    return change


def _double(request: Request, reply: Response) -> Response | None:
    if request.path != "/api/v1/images/generations" or reply.status != 200:
        return None
    body = json.loads(reply.body)
    body["usage"]["credits"] *= 2
    return json_response(body)


def _drifting(request: Request, reply: Response) -> Response | None:
    if "/generations/" not in request.path or reply.status != 200:
        return None
    body: dict[str, Any] = json.loads(reply.body)
    for image in body["images"]:
        image["id"] += str(id(request))
    return json_response(body)


@pytest.mark.parametrize(
    ("clause", "change"),
    [
        ("REQ-4", _swap(400, "invalidRequest")),
        ("AUTH-3", _swap(401, "invalidApiKey")),
        ("RET-2", _swap(404, "forbidden")),
        ("LED-4", _swap(402, "insufficient_credits")),
        ("ERR-6", _swap(500, "generation_failed")),
        ("GEN-6", _double),
        ("RET-1", _drifting),
    ],
)
def test_a_defect_is_found_in_its_clause(
    clause: str, change: Callable[[Request, Response], Response | None]
) -> None:
    """A server with one thing wrong breaks the clause that says so, with evidence."""
    with mock_with_changes(change) as url:
        report = run(build_profile(url), keyword=clause, no_fuzz=True)
    broken = {found.id: found for found in report.with_outcome("failed")}
    assert report.exit_code == 1
    assert clause in broken
    deciding = broken[clause].deciding
    assert deciding is not None
    assert deciding.evidence[0].curl().startswith("curl ")


@pytest.mark.parametrize(
    "reply",
    [
        Response(200, b"<html>hello</html>", (("Content-Type", "text/html"),)),
        Response(301, b"", (("Location", "https://example.com/"),)),
        Response(200, b'[[1, null], "a"]'),
        Response(200, b"null"),
        Response(204, b""),
        Response(500, b"Internal Server Error"),
        Response(200, b'{"error": [], "data": 7, "credits": "many", "id": 5, "images": {}}'),
    ],
    ids=["html", "redirect", "list", "null", "nothing", "crash", "wrong-types"],
)
def test_a_server_that_talks_nonsense_is_broken(reply: Response) -> None:
    """Whatever comes back, the run ends with verdicts, and none of them is a crash of ours."""
    with scripted_server(lambda request: reply) as url:
        report = run(build_profile(url), level="inferred", keyword="not REQ-9", no_fuzz=True)
    assert report.exit_code == 1
    crashed = [
        (check.name, check.message)
        for clause in report.clauses
        for check in clause.checks
        if "could not interpret a response" in check.message
    ]
    assert crashed == []


def test_a_server_that_hangs_up_cannot_be_judged() -> None:
    """Where every connection is closed there is nothing to judge."""
    with (
        scripted_server(lambda request: Response(0)) as url,
        pytest.raises(UnreachableError, match="closed"),
    ):
        run(build_profile(url), no_fuzz=True)


def test_a_server_that_hangs_up_on_posts_is_broken() -> None:
    """A request that gets no answer is none that the page describes."""
    with mock_with_changes(
        lambda request, reply: Response(0) if request.method == "POST" else None
    ) as url:
        report = run(build_profile(url), keyword="END-3", no_fuzz=True)
    assert "END-3" in {clause.id for clause in report.with_outcome("failed")}


def test_one_check_can_be_picked_out() -> None:
    """-k asks only what matches, and pays for no more."""
    with mock() as served:
        report = run(build_profile(served.url), keyword="MOD and not MOD-4", no_fuzz=True)
    assert {"MOD-1", "MOD-2", "MOD-5", "MOD-6", "MOD-7"} <= {
        one.id for one in report.with_outcome("passed")
    }
    assert "MOD-4" not in {one.id for one in report.with_outcome("passed")}


def test_a_server_that_falls_silent_is_not_asked_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """After two requests of a kind without an answer no more of it are sent."""
    monkeypatch.setattr(client, "GENERATE_TIMEOUT", 0.1)
    over, asked = Event(), []

    def answer(request: Request) -> Response:
        if request.method == "POST":
            asked.append(request)
            over.wait(20)
        return json_response({"credits": 100, "account_type": "PRO", "next_expiration": None})

    with scripted_server(answer) as url:
        try:
            report = run(build_profile(url), keyword="GEN or CRD-2", no_fuzz=True)
        finally:
            over.set()
    assert len(asked) == 2
    found = {clause.id: clause.outcome for clause in report.clauses}
    assert (found["GEN-2"], found["CRD-1"]) == ("inconclusive", "passed")

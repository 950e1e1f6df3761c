"""The suite judges: our mock passes, hand-made defects are found, weird servers end clearly."""

from __future__ import annotations

import json
from collections.abc import Callable
from threading import Event
from typing import Any

import pytest

from mockhub.exceptions import MockhubError
from mockhub.verify import client
from mockhub.verify.clauses import clauses
from mockhub.verify.filter import compile_filter
from mockhub.verify.runner import DEFAULT_BUDGETS, Unreachable, run, select_checks
from tests.support.scripted_server import Reply, Request, altered, mock, profile_of, says, scripted


@pytest.mark.parametrize("level", ["documented", "inferred"])
def test_the_mock_conforms_within_the_budget(level: str) -> None:
    """Our own mock breaks no clause and leaves none open, for at most 310 credits."""
    with mock() as served:
        report = run(profile_of(served.url), level=level, no_fuzz=True)
    assert [] == [
        (clause.id, clause.reason) for clause in report.with_outcome("failed", "inconclusive")
    ]
    assert 0 == report.exit_code
    assert 0 < report.credits_spent <= DEFAULT_BUDGETS[level]


def test_every_clause_that_a_profile_can_show_is_asked() -> None:
    """Each clause has at least one check."""
    asked = {name for check in select_checks("inferred") for name in check.clauses}
    assert set() == clauses().keys() - asked


def test_a_second_run_on_the_same_server_is_no_false_alarm() -> None:
    """The low account is empty after a run; its clauses are then inconclusive, not broken."""
    with mock() as served:
        first = run(profile_of(served.url), keyword="LED or CRD", no_fuzz=True)
        second = run(profile_of(served.url), keyword="LED or CRD", no_fuzz=True)
    assert 0 == first.exit_code
    assert [] == [clause.id for clause in second.with_outcome("failed")]
    assert 3 == second.exit_code


def test_what_the_profile_lacks_is_not_asked() -> None:
    """Without keys and triggers their clauses are not asked, and none is passed for it."""
    with mock() as served:
        profile = profile_of(served.url, keys={"valid": profile_of("").keys["valid"]})
        report = run(profile, no_fuzz=True)
    found = {clause.id: clause.outcome for clause in report.clauses}
    assert 0 == report.exit_code
    assert {"skipped"} == {found[name] for name in ("AUTH-5", "AUTH-6", "RET-2", "LED-4")}


def _swap(status: int, code: str) -> Callable[[Request, Reply], Reply | None]:
    def change(request: Request, reply: Reply) -> Reply | None:
        if reply.status != status:
            return None
        return says({"error": {"message": "No", "code": code}}, status)

    return change


def _double(request: Request, reply: Reply) -> Reply | None:
    if request.path != "/api/v1/images/generations" or reply.status != 200:
        return None
    body = json.loads(reply.body)
    body["usage"]["credits"] *= 2
    return says(body)


def _drifting(request: Request, reply: Reply) -> Reply | None:
    if "/generations/" not in request.path or reply.status != 200:
        return None
    body: dict[str, Any] = json.loads(reply.body)
    for image in body["images"]:
        image["id"] += str(id(request))
    return says(body)


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
    clause: str, change: Callable[[Request, Reply], Reply | None]
) -> None:
    """A server with one thing wrong breaks the clause that says so, with evidence."""
    with altered(change) as url:
        report = run(profile_of(url), keyword=clause, no_fuzz=True)
    broken = {found.id: found for found in report.with_outcome("failed")}
    assert 1 == report.exit_code
    assert clause in broken
    deciding = broken[clause].deciding
    assert deciding is not None
    assert deciding.evidence[0].curl().startswith("curl ")


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, b"<html>hello</html>", (("Content-Type", "text/html"),)),
        Reply(301, b"", (("Location", "https://example.com/"),)),
        Reply(200, b'[[1, null], "a"]'),
        Reply(200, b"null"),
        Reply(204, b""),
        Reply(500, b"Internal Server Error"),
        Reply(200, b'{"error": [], "data": 7, "credits": "many", "id": 5, "images": {}}'),
    ],
    ids=["html", "redirect", "list", "null", "nothing", "crash", "wrong-types"],
)
def test_a_server_that_talks_nonsense_is_broken(reply: Reply) -> None:
    """Whatever comes back, the run ends with verdicts, and none of them is a crash of ours."""
    with scripted(lambda request: reply) as url:
        report = run(profile_of(url), level="inferred", keyword="not REQ-9", no_fuzz=True)
    assert 1 == report.exit_code
    crashed = [
        (check.name, check.message)
        for clause in report.clauses
        for check in clause.checks
        if "could not interpret a response" in check.message
    ]
    assert [] == crashed


def test_a_server_that_hangs_up_cannot_be_judged() -> None:
    """Where every connection is closed there is nothing to judge."""
    with scripted(lambda request: Reply(0)) as url, pytest.raises(Unreachable, match="closed"):
        run(profile_of(url), no_fuzz=True)


def test_a_server_that_hangs_up_on_posts_is_broken() -> None:
    """A request that gets no answer is none that the page describes."""
    with altered(lambda request, reply: Reply(0) if request.method == "POST" else None) as url:
        report = run(profile_of(url), keyword="END-3", no_fuzz=True)
    assert "END-3" in {clause.id for clause in report.with_outcome("failed")}


def test_one_check_can_be_picked_out() -> None:
    """-k asks only what matches, and pays for no more."""
    with mock() as served:
        report = run(profile_of(served.url), keyword="MOD and not MOD-4", no_fuzz=True)
    assert {"MOD-1", "MOD-2", "MOD-5", "MOD-6", "MOD-7"} <= {
        one.id for one in report.with_outcome("passed")
    }
    assert "MOD-4" not in {one.id for one in report.with_outcome("passed")}


@pytest.mark.parametrize("text", ["AUTH and", "(AUTH", "AUTH; import os", "a b"])
def test_a_wrong_expression_is_refused(text: str) -> None:
    """What -k does not understand it says."""
    with pytest.raises(MockhubError, match="-k"):
        compile_filter(text)


def test_a_server_that_falls_silent_is_not_asked_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """After two requests of a kind without an answer no more of it are sent."""
    monkeypatch.setattr(client, "GENERATE_TIMEOUT", 0.1)
    over, asked = Event(), []

    def answer(request: Request) -> Reply:
        if request.method == "POST":
            asked.append(request)
            over.wait(20)
        return says({"credits": 100, "account_type": "PRO", "next_expiration": None})

    with scripted(answer) as url:
        try:
            report = run(profile_of(url), keyword="GEN or CRD-2", no_fuzz=True)
        finally:
            over.set()
    assert 2 == len(asked)
    found = {clause.id: clause.outcome for clause in report.clauses}
    assert ("inconclusive", "passed") == (found["GEN-2"], found["CRD-1"])

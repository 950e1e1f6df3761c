"""The failure of a rejected valid request names what the rejected requests share."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mockhub.verify.exchange import Exchange, Request
from mockhub.verify.findings import group_by_cause
from mockhub.verify.fixtures import GenerationFixture
from mockhub.verify.generation import ObservedGeneration
from mockhub.verify.outcomes import Outcome
from mockhub.verify.rejections import explain_again, rejection
from mockhub.verify.results import CheckResult, group_by_clause
from mockhub.verify.runner import run
from tests.support.scripted_server import Request as Received
from tests.support.scripted_server import Response, build_profile, mock_with_changes

IMAGE = GenerationFixture("A boat", n=1, quality="high")
FORM = replace(IMAGE, is_form=True, files=("sunset.png",))
TEXT_FORM = replace(IMAGE, is_form=True)
WEBP = replace(FORM, files=("sunset.webp",))
URL = "http://a.example/api/v1/images/generations"


def generation(fixture: GenerationFixture, status: int) -> ObservedGeneration:
    exchange = Exchange(Request("POST", URL), status, {}, b"{}")
    return ObservedGeneration("a", fixture, fixture.image_count, fixture.size or "auto", exchange)


@pytest.mark.parametrize(
    ("rejected", "accepted", "shared", "clause"),
    [
        ([replace(IMAGE, n=3), replace(FORM, n=3)], [IMAGE, FORM], "with n 3", "REQ-5"),
        (
            [WEBP, replace(WEBP, n=2)],
            [IMAGE, FORM, replace(FORM, n=2)],
            "with a webp file",
            "REQ-8",
        ),
        ([replace(IMAGE, quality="low")], [IMAGE, FORM], "with quality low", "REQ-4"),
        ([replace(IMAGE, size="1x3")], [IMAGE], "with size 1x3", "REQ-3"),
        ([FORM, replace(FORM, files=())], [IMAGE], "in a form", "REQ-2"),
        (
            [replace(TEXT_FORM, n=2), replace(TEXT_FORM, n=2, quality="low")],
            [TEXT_FORM, replace(IMAGE, n=2), replace(IMAGE, quality="low")],
            "in a form and with n 2",
            "REQ-5",
        ),
        (
            [replace(IMAGE, prompt="\u00e9" * 2000)],
            [replace(IMAGE, prompt="\u00e9" * 300)],
            "with a prompt of more than 1000 characters",
            "REQ-11",
        ),
        (
            [replace(IMAGE, prompt="\u00e9")],
            [IMAGE],
            "with the prompt '\u00e9'",
            "REQ-2",
        ),
    ],
)
def test_rejected_requests_share_what_no_other_has(
    rejected: list[GenerationFixture], accepted: list[GenerationFixture], shared: str, clause: str
) -> None:
    generations = [generation(one, 400) for one in rejected]
    generations += [generation(one, 200) for one in accepted]
    failure = rejection(generations[0].exchange, "HTTP 200", generations)
    assert failure.message.startswith(f"HTTP 400 to a valid request: to each {shared}")
    assert failure.message.endswith(", and to no other")
    assert failure.clause == clause


@pytest.mark.parametrize(
    ("rejected", "accepted"),
    [
        ([IMAGE], [IMAGE]),  # the same request was accepted
        ([IMAGE, FORM], []),
        ([WEBP, replace(IMAGE, n=3)], [IMAGE, FORM]),  # two causes
    ],
)
def test_rejections_without_one_cause_are_not_explained(
    rejected: list[GenerationFixture], accepted: list[GenerationFixture]
) -> None:
    generations = [generation(one, 400) for one in rejected]
    generations += [generation(one, 200) for one in accepted]
    failure = rejection(generations[0].exchange, "HTTP 200", generations)
    assert (failure.message, failure.clause) == ("HTTP 400 to a valid request", "")


def test_clause_remains_that_of_the_check_if_several_would_explain_it() -> None:
    generations = [generation(replace(IMAGE, n=3, quality="low"), 400), generation(IMAGE, 200)]
    failure = rejection(generations[0].exchange, "HTTP 200", generations)
    assert "with n 3" in failure.message
    assert failure.clause == ""


def test_other_explanations_are_named() -> None:
    """A request may have several things that no accepted one has; the message names them."""
    form = replace(FORM, prompt="A boat " * 200, files=("strange.bin",))
    generations = [generation(form, 400), generation(FORM, 200)]
    failure = rejection(generations[0].exchange, "HTTP 200", generations)
    shared = "with a file declared as application/octet-stream (or with a prompt of more than"
    assert shared in failure.message
    assert failure.clause == ""


def test_server_errors_are_not_explained() -> None:
    generations = [generation(replace(IMAGE, n=3), 500), generation(IMAGE, 200)]
    failure = rejection(generations[0].exchange, "HTTP 200", generations)
    assert failure.message == "HTTP 500 to a valid request"


def test_check_may_fail_for_a_clause_that_it_does_not_decide() -> None:
    result = CheckResult("a", Outcome.FAILED, clauses=("ASY-5",), clause="REQ-5")
    outcomes = {one.id: one.outcome for one in group_by_clause([result], "documented")}
    assert outcomes["REQ-5"] == Outcome.FAILED
    assert outcomes["ASY-5"] == Outcome.INCONCLUSIVE


def test_one_explanation_is_one_finding() -> None:
    """Rejections of JSON and of forms have one cause if one sentence explains both."""
    shared = "with n 4"
    results = [
        CheckResult(name, Outcome.FAILED, "", (exchange,), clauses=("REQ-5",), rejected_with=shared)
        for name, exchange in (
            ("a", generation(IMAGE, 400).exchange),
            ("b", Exchange(Request("POST", URL, {"Content-Type": "multipart/form-data"}), 400)),
        )
    ]
    assert len(group_by_cause(results)) == 1


def test_report_explains_with_all_generations() -> None:
    """What the first check could not know is known at the end of a run."""
    first = generation(replace(FORM, n=4), 400)
    failure = rejection(first.exchange, "HTTP 200", [first])
    result = CheckResult(
        *("a", Outcome.FAILED, failure.message, (first.exchange,)), clauses=("REQ-2",),
        rejected_with=failure.rejected_with,
    )  # fmt: skip
    assert result.failed_clause == "REQ-2"
    explained = explain_again(result, [first, generation(FORM, 200), generation(IMAGE, 200)])
    assert explained.failed_clause == "REQ-5"
    assert "to each with n 4" in explained.message


def reject_16_files(request: Received, response: Response) -> Response:
    if request.body.count(b"filename=") == 16:
        return Response(400, b'{"error": {"message": "too many files", "code": "invalid_request"}}')
    return response


def test_run_names_the_cause_of_rejections() -> None:
    """A server that rejects 16 files is found by whichever check, for the limit of files."""
    with mock_with_changes(reject_16_files) as url:
        report = run(build_profile(url), level="documented", no_fuzz=True, keyword="REQ-2 or REQ-4")
    [finding] = report.findings
    assert finding.clause.id == "REQ-7"
    assert "to each with 16 reference images, and to no other" in finding.result.message

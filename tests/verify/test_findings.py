"""Findings: failures of one cause are one finding, and name the clause that failed."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import junitparser
import pytest

from mockhub.verify.assertions import error_code
from mockhub.verify.exchange import Exchange
from mockhub.verify.exchange import Request as SentRequest
from mockhub.verify.findings import group_by_cause
from mockhub.verify.outcomes import Failed, Outcome
from mockhub.verify.report import Report
from mockhub.verify.reporters import terminal
from mockhub.verify.reporters.evidence import write_evidence
from mockhub.verify.reporters.html import html
from mockhub.verify.reporters.junit import junit
from mockhub.verify.reporters.markdown import markdown
from mockhub.verify.results import CheckResult, group_by_clause
from mockhub.verify.runner import run
from tests.support.scripted_server import (
    KEYS,
    Request,
    Response,
    build_profile,
    json_response,
    mock_with_changes,
    scripted_server,
)

WITHOUT_FILES = "AUTH or REQ-2 or REQ-4 or REQ-5 or GEN-1"


def reject_forms(request: Request, response: Response) -> Response | None:
    if not request.headers.get("Content-Type", "").startswith("multipart"):
        return None
    return json_response({"error": {"message": "No forms", "code": "invalid_request"}}, 400)


@pytest.fixture(scope="module")
def report_without_forms() -> Report:
    """Return the report about a server that rejects every form."""
    with mock_with_changes(reject_forms) as url:
        return run(build_profile(url), keyword=WITHOUT_FILES, no_fuzz=True)


def test_server_without_forms_has_one_finding(report_without_forms: Report) -> None:
    """The finding is the rejected valid request; it lists or touches all other clauses."""
    [finding] = report_without_forms.findings
    assert finding.clause.id == "REQ-2"
    assert {"AUTH-3", "AUTH-4", "AUTH-5", "AUTH-6"} <= {*finding.clause_ids}
    assert {"REQ-4", "REQ-5"} <= {*finding.touched}
    assert "to each in a form, and to no other" in finding.result.message
    assert {"END-3", "ERR-3"} <= {*finding.touched}
    assert report_without_forms.headline == "1 finding: 1 documented, 0 inferred"


def test_all_cases_of_a_check_are_reported(report_without_forms: Report) -> None:
    """A check that sends several requests shows each that failed."""
    [finding] = report_without_forms.findings
    [line] = [line for line in finding.other_lines() if "auth_rejects_unknown_key" in line]
    assert "POST of a form with " in line
    assert "and 1 file, with an unknown key: " in line


def test_check_stops_after_a_request_that_was_accepted() -> None:
    """After one invalid request that may have cost credits, no further one is sent."""
    received = []

    def accept(request: Request) -> Response:
        if request.method == "POST":
            received.append(request)
        return json_response({"id": "a", "status": "succeeded", "credits": 100})

    with scripted_server(accept) as url:
        report = run(build_profile(url), keyword="request_rejects_n_out_of_range", no_fuzz=True)
    assert report.exit_code == 1
    assert len(received) == 1


def test_failed_check_touches_its_other_clauses() -> None:
    """A clause without another check is not decided; one that another check passed has passed."""
    results = [
        CheckResult("a", Outcome.FAILED, "wrong", clauses=("REQ-1", "REQ-10", "END-3")),
        CheckResult("b", Outcome.PASSED, clauses=("END-3",)),
    ]
    clauses = {clause.id: clause for clause in group_by_clause(results, "documented")}
    assert clauses["REQ-1"].outcome == Outcome.FAILED
    assert clauses["REQ-10"].outcome == Outcome.INCONCLUSIVE
    assert clauses["REQ-10"].reason == "not decided: a failed for REQ-1"
    assert clauses["END-3"].outcome == Outcome.PASSED


def test_failure_may_name_another_clause_of_its_check() -> None:
    """The clause of a finding is the one that the failed assertion names."""
    result = CheckResult("a", Outcome.FAILED, clauses=("AUTH-4", "AUTH-3"), clause="AUTH-3")
    [finding] = group_by_cause([result])
    assert (finding.clause.id, finding.touched) == ("AUTH-3", ("AUTH-4",))


def test_errors_of_different_kinds_are_different_findings() -> None:
    """Two rejections with other messages have other causes."""
    request = SentRequest("POST", "http://a.example/api/v1/images/generations")
    bodies = {"REQ-4": b"quality 1", "REQ-5": b"n is wrong", "REQ-2": b"quality 2"}
    results = [
        CheckResult(
            clause,
            Outcome.FAILED,
            "HTTP 400",
            (Exchange(request, 400, {}, body),),
            "",
            "",
            (clause,),
        )
        for clause, body in bodies.items()
    ]
    assert [finding.clause_ids for finding in group_by_cause(results)] == [
        ("REQ-4", "REQ-2"),
        ("REQ-5",),
    ]


def make_report(clause: str, level: str, *exchanges: Exchange, message: str = "wrong") -> Report:
    result = CheckResult(
        "a_check", Outcome.FAILED, message, exchanges, "right", "Do it", (clause,), level
    )
    return Report(
        target="http://a.example",
        level="inferred",
        seed=7,
        clauses=group_by_clause([result], "inferred"),
        credits_spent=8,
        budget=310,
        requests=1,
        seconds=0.5,
    )


def test_inferred_clause_is_not_quoted_as_the_documentation(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A report says that the point is open, how it is read, and why."""
    report = make_report("GEN-12", "inferred")
    terminal.print_report(report)
    expected = "the documentation leaves it open; read here as: "
    why = "because: One point is published, 1024x1024 is 1K whatever the quality"
    for text in (capsys.readouterr().out, html(report), markdown(report), report.as_json_text()):
        assert expected in text
        assert why in text
        assert (
            "the documentation says" not in text.split("<table>")[0].split('"clauses": [\n    {')[0]
        )
    assert report.headline == "1 finding: 0 documented, 1 inferred"


def test_junit_report_is_read_by_junitparser(report_without_forms: Report) -> None:
    """Each case has the sentence of its clause, its time and the seed."""
    text = junit(report_without_forms).partition("\n")[2]
    suite = junitparser.TestSuite.fromstring(text)
    cases = {case.name.partition(":")[0]: case for case in suite}
    failed = {name for name, case in cases.items() if any(map(_is_failure, case.result))}
    assert failed == {clause.id for clause in report_without_forms.with_outcome("failed")}
    assert suite.failures == len(failed)
    assert cases["REQ-2"].name.startswith("REQ-2: prompt describes the image")
    assert cases["REQ-2"].time > 0
    seeds = ElementTree.fromstring(text).findall("testcase/properties/property[@name='seed']")
    assert [seed.attrib["value"] for seed in seeds] == ["0"] * len(cases)


def _is_failure(result: object) -> bool:
    return isinstance(result, junitparser.Failure)


def test_curl_commands_of_the_evidence_can_be_run(
    report_without_forms: Report, tmp_path: Path
) -> None:
    """The script sends the same form with its file, and reads the key from the environment."""
    folder = Path(write_evidence(report_without_forms, tmp_path)["request_accepts_json_and_form"])
    received: list[Request] = []

    def record(request: Request) -> Response:
        received.append(request)
        return Response()

    script = folder / "1-request.sh"
    with scripted_server(record) as url:
        script.write_text(re.sub(r"http://127\.0\.0\.1:\d+", url, script.read_text()))
        environment = {"PATH": os.environ["PATH"], "MOCKHUB_KEY": KEYS["valid"]}
        subprocess.run(["sh", str(script)], env=environment, check=True, capture_output=True)
    [request] = received
    assert request.headers["Authorization"] == f"Bearer {KEYS['valid']}"
    assert (folder / "sunset.png").read_bytes() in request.body
    assert "HTTP 400" in (folder / "1-response-headers.txt").read_text()
    assert b"No forms" in (folder / "1-response-body").read_bytes()


def test_long_body_is_cut_in_the_report_and_whole_in_its_file(tmp_path: Path) -> None:
    """The report says that a body was cut; the file has all of it."""
    body = b"x" * 5000
    exchange = Exchange(SentRequest("GET", "http://a.example"), 500, {"x-trace": "7"}, body)
    report = make_report("END-2", "documented", exchange)
    assert "... (cut, 5000 characters in all)" in markdown(report)
    assert "x-trace: 7" in markdown(report)
    folder = Path(write_evidence(report, tmp_path)["a_check"])
    assert (folder / "1-response-body").read_bytes() == body


def test_passed_clauses_collapse_to_a_count(capsys: pytest.CaptureFixture[str]) -> None:
    """The first line is a failure; -v lists what passed."""
    results = [
        CheckResult("a", Outcome.PASSED, clauses=("REQ-1",)),
        CheckResult("b", Outcome.FAILED, "wrong", clauses=("END-2",)),
    ]
    report = make_report("END-2", "documented")
    report = type(report)(**{**vars(report), "clauses": group_by_clause(results, "documented")})
    terminal.print_report(report)
    short = capsys.readouterr().out
    terminal.print_report(report, verbose=True)
    assert short.startswith("END-2 failed (documented): wrong")
    assert "REQ-1" not in short
    assert "1 passed" in short
    assert "REQ-1" in capsys.readouterr().out


def test_simultaneous_requests_are_named() -> None:
    """A finding shows what was in progress together with its request."""
    barrier_codes: list[int] = []

    def repeat_id(request: Request, response: Response) -> Response | None:
        if request.method == "POST" and response.status in (200, 202):
            barrier_codes.append(response.status)
            return json_response({**response.json(), "id": "same"}, response.status)
        return None

    with mock_with_changes(repeat_id) as url:
        report = run(build_profile(url), keyword="ledger_charges_crossing_requests", no_fuzz=True)
    [finding] = report.findings
    assert barrier_codes
    shown = (*finding.result.concurrent, *(each.label for each in finding.result.evidence))
    assert len(shown) >= 2


def test_request_without_key_that_is_accepted_fails_auth_1() -> None:
    """That a key is required is another clause than the error without one."""

    def accept(request: Request, response: Response) -> Response | None:
        return json_response({"credits": 1}) if response.status == 401 else None

    with mock_with_changes(accept) as url:
        report = run(build_profile(url), keyword="auth_rejects_missing_header", no_fuzz=True)
    assert [finding.clause.id for finding in report.findings] == ["AUTH-1"]


@pytest.mark.parametrize(
    ("clause", "reason"),
    [
        ("REQ-12", "The documentation gives no default"),
        ("REQ-17", "Names and declared types are often wrong"),
        ("ASY-7", "not how a failed task reads"),
        ("RET-4", "stays as it is"),
    ],
)
def test_reading_of_an_open_point_has_the_reason_of_the_point(clause: str, reason: str) -> None:
    result = CheckResult("a", Outcome.FAILED, clauses=(clause,), level="inferred")
    [finding] = group_by_cause([result])
    assert reason in finding.reading


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{}", "error is missing"),
        (b"[]", "the body is a array"),
        (b'{"error": "no"}', "error is string 'no'"),
        (b'{"error": {"code": "a"}}', "error.message is missing"),
    ],
)
def test_error_in_another_shape_is_described(body: bytes, message: str) -> None:
    exchange = Exchange(SentRequest("GET", "http://a.example/"), 404, {}, body)
    with pytest.raises(Failed) as failure:
        error_code(exchange)
    assert failure.value.message == message
    assert failure.value.clause == "ERR-1"


def test_errors_in_another_shape_are_one_finding() -> None:
    results = [
        CheckResult(name, Outcome.FAILED, name, (Exchange(request, 400, {}, body),), clause="ERR-1")
        for name, request, body in (
            ("a", SentRequest("GET", "http://a.example/api/v1/credits"), b'{"error": "a"}'),
            ("b", SentRequest("POST", "http://a.example/api/v1/images"), b'{"error": "b"}'),
        )
    ]
    [finding] = group_by_cause(results)
    assert finding.clause.id == "ERR-1"

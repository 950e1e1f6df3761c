"""`mockhub verify`: options, exit codes and reports."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result

from mockhub.cli.main import main
from mockhub.verify import runner
from tests.support.scripted_server import (
    KEYS,
    Request,
    Response,
    json_response,
    mock,
    scripted_server,
)

PROFILE = """
base_url: {url}
keys: {{valid: {valid}, other: {other}}}
"""


@pytest.fixture
def target(tmp_path: Path) -> Iterator[str]:
    """Start a mock and return the file with its profile."""
    with mock() as served:
        yield write(tmp_path, served.url)


def write(folder: Path, url: str) -> str:
    file = folder / "target.yaml"
    file.write_text(PROFILE.format(url=url, **KEYS), "utf-8")
    return str(file)


def verify(*options: str, **environment: str) -> Result:
    return CliRunner().invoke(main, ["verify", *options], env=environment or None)


def test_own_mock_is_checked_without_target() -> None:
    """`mockhub verify` without a target starts the mock, checks it and exits with 0."""
    result = verify("--no-fuzz", "-k", "MOD or CRD-1")
    assert result.exit_code == 0, result.output
    assert "0 failed" in result.output


def test_reports_are_written(target: str, tmp_path: Path) -> None:
    """A run writes JSON, HTML, JUnit XML and the step summary of GitHub."""
    files = {name: tmp_path / name for name in ("r.json", "r.html", "r.xml", "summary.md")}
    result = verify(
        "--target", target, "--no-fuzz", "--seed", "3", "-k", "AUTH-3 or LED-4 or GEN-6",
        "--report-json", str(files["r.json"]), "--report-html", str(files["r.html"]),
        "--report-junit", str(files["r.xml"]), GITHUB_STEP_SUMMARY=str(files["summary.md"]),
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    report = json.loads(files["r.json"].read_text())
    assert {"target", "level", "seed", "credits_spent", "clauses"} <= report.keys()
    assert (report["seed"], report["level"]) == (3, "documented")
    clause = next(entry for entry in report["clauses"] if entry["id"] == "AUTH-3")
    assert {"id", "level", "outcome", "checks", "evidence"} <= clause.keys()
    assert clause["outcome"] == "passed"
    assert "failure" not in {node.tag for node in ElementTree.parse(files["r.xml"]).iter()}
    assert "AUTH-3" in files["r.html"].read_text()
    assert "| AUTH-3 | passed |" in files["summary.md"].read_text()


def test_failed_clause_is_printed_with_evidence(tmp_path: Path) -> None:
    """A failure shows the curl command without the key, the response and the statement; exit 1."""
    page = tmp_path / "r.html"
    hostile = json_response(
        {"error": {"message": "<script>alert(1)</script>", "code": "nope"}}, 401
    )
    with scripted_server(lambda request: hostile) as url:
        result = verify(
            "--target", write(tmp_path, url), "-k", "AUTH-3", "--report-html", str(page)
        )
    assert result.exit_code == 1, result.output
    assert "touches        AUTH-1, ERR-3" in result.output
    for part in ("AUTH-3 failed", "curl ", "HTTP 401", "missingApiKey", "documentation"):
        assert part in result.output
    assert KEYS["valid"] not in result.output + page.read_text()
    assert "<script>" not in page.read_text()


def test_key_in_curl_command_is_shell_variable(tmp_path: Path) -> None:
    """A command can be pasted into a shell in which MOCKHUB_KEY is set."""
    with scripted_server(lambda request: Response(500, b"oops")) as url:
        result = verify("--target", write(tmp_path, url), "-k", "END-2")
    assert '-H "Authorization: Bearer $MOCKHUB_KEY"' in result.output


def test_unreachable_target_exits_with_2(tmp_path: Path) -> None:
    """A server that cannot be reached is an error in one sentence."""
    result = verify("--target", write(tmp_path, "http://127.0.0.1:1"))
    assert result.exit_code == 2
    assert "could not be reached" in result.output
    assert "Traceback" not in result.output


def test_defect_of_the_suite_is_no_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that nothing foresaw is shown with its traceback, and exits with 2 instead of 1."""

    def fail(*_: object, **__: object) -> None:
        raise KeyError("unforeseen")

    monkeypatch.setattr(runner, "run", fail)
    result = verify("--no-fuzz", "-k", "MOD")
    assert result.exit_code == 2
    assert "KeyError: 'unforeseen'" in result.stderr


def test_remote_host_needs_budget(tmp_path: Path) -> None:
    """Credits of a remote host are spent only if --budget is given."""
    result = verify("--target", write(tmp_path, "https://gptimagehub.example"))
    assert result.exit_code == 2
    assert "give --budget" in result.output


def test_plan_sends_nothing(tmp_path: Path) -> None:
    """--plan prints the cost of a run without a request to the target."""
    received = []

    def handler(request: Request) -> Response:
        received.append(request)
        return Response()

    with scripted_server(handler) as url:
        result = verify(
            "--target", write(tmp_path, url), "--plan", "--budget", "20", "-k", "GEN or LED-1"
        )
    assert result.exit_code == 0, result.output
    assert received == []
    assert "credits, if the implementation conforms" in result.output
    assert "<- this budget is too small" in result.output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--self-test", "-k", "LED-2"), "--self-test and -k exclude each other"),
        (("--self-test", "--seed", "3"), "--self-test and --seed exclude each other"),
        (("--plan", "--report-json", "x.json"), "--plan and --report-json exclude each other"),
        (("--plan", "--baseline", "x.json"), "--plan and --baseline exclude each other"),
    ],
)
def test_options_without_effect_are_rejected(options: tuple[str, ...], message: str) -> None:
    result = verify(*options)
    assert result.exit_code == 2
    assert message in result.output


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--report-json", "none/r.json"), "there is no such directory"),
        (("--report-html", "."), "it is a directory"),
        (("--report-junit", ".."), "it is a directory"),
        (("--report-sarif", ""), "it is a directory"),
        (("--evidence", "target.yaml/x"), "{folder}/target.yaml is not a directory"),
    ],
)
def test_unwritable_report_is_an_error_before_the_first_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], reason: str
) -> None:
    monkeypatch.chdir(tmp_path)
    requests = []

    def handler(request: Request) -> Response:
        requests.append(request)
        return Response(500, b"oops")

    with scripted_server(handler) as url:
        result = verify("--target", write(tmp_path, url), *options)
    assert (result.exit_code, requests) == (2, []), result.output
    expected = f"cannot be written: {reason.format(folder=tmp_path)}\n"
    assert result.output.endswith(expected)
    assert result.output.count("\n") == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a file that is always full")
def test_result_is_shown_and_other_reports_are_written_if_one_cannot_be(tmp_path: Path) -> None:
    page = tmp_path / "r.html"
    with scripted_server(lambda request: Response(500, b"oops")) as url:
        options = ("--report-json", "/dev/full", "--report-html", str(page))
        evidence = ("--evidence", str(tmp_path / "evidence"))
        result = verify("--target", write(tmp_path, url), "-k", "END-2", *options, *evidence)
    assert result.exit_code == 2
    assert "END-2 failed" in result.output
    assert "/dev/full: cannot be written: No space left on device" in result.output
    assert "END-2" in page.read_text()


def test_read_only_sends_only_gets(tmp_path: Path) -> None:
    """--read-only changes nothing on the server."""
    methods = set()

    def handler(request: Request) -> Response:
        methods.add(request.method)
        return json_response({"error": {"message": "No", "code": "missingApiKey"}}, 401)

    with scripted_server(handler) as url:
        verify("--target", write(tmp_path, url), "--read-only", "--level", "inferred")
    assert methods == {"GET"}


def test_compare_prints_what_changed(target: str, tmp_path: Path) -> None:
    """--compare names the clauses whose outcome changed, and the values that vanished."""
    old = tmp_path / "old.json"
    clauses = [{"id": "MOD-7", "outcome": "failed"}]
    seen = {"statuses": ["GET 418"], "codes": [], "fields": []}
    old.write_text(json.dumps({"level": "documented", "clauses": clauses, "observed": seen}))
    result = verify("--target", target, "-k", "MOD-7", "--compare", str(old))
    assert "MOD-7: failed -> passed" in result.output
    assert "statuses: GET 418 vanished" in result.output
    assert "statuses: GET 200 appears" in result.output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--compare", "none.json"), "cannot be read"),
        (("--target", "none.yaml"), "cannot be read"),
        (("-k", "AUTH and"), "is not a valid expression"),
        (("-k", "AUHT-3"), "matches no check of level documented; did you mean 'AUTH-3'?"),
        (("-k", "LED-6"), "matches no check of level documented; --level inferred has some"),
        (("-k", "REQ-17"), "matches no check of level documented; --level inferred has some"),
        (("--baseline", "none.json"), "cannot be read"),
        (("--budget", "2"), "cannot pay for a single image"),
        (("--level", "strict"), "documented"),
        (("--max-time", "nan"), "'nan' is not a number of seconds"),
        (("--wait", "nan"), "'nan' is not a number of seconds"),
    ],
)
def test_invalid_option_exits_with_2(options: tuple[str, ...], message: str) -> None:
    """A mistake of the user is reported in one line."""
    result = verify(*options)
    assert result.exit_code == 2, result.output
    assert message in result.output


def wrong_code(request: Request) -> Response:
    """Return a code that the documentation does not have, and never a credit less."""
    return json_response({"error": {"message": "No", "code": "nope"}}, 401)


def test_accepted_clause_does_not_fail_the_run(tmp_path: Path) -> None:
    """A deviation that the profile accepts is shown with its reason, until its last day."""
    with scripted_server(wrong_code) as url:
        target = Path(write(tmp_path, url))
        profile = target.read_text()
        results = {}
        for until in ("2999-01-01", "2020-01-01"):
            accept = f"{{clause: AUTH-3, reason: legacy, until: '{until}'}}"
            target.write_text(f"{profile}accept: [{accept}]\n")
            results[until] = verify(
                "--target", str(target), "--read-only", "-k", "auth_rejects_missing_header"
            )
    assert results["2999-01-01"].exit_code == 0, results["2999-01-01"].output
    assert "accepted until 2999-01-01: legacy" in results["2999-01-01"].output
    assert results["2020-01-01"].exit_code == 1
    assert "AUTH-3 was accepted until 2020-01-01 only" in results["2020-01-01"].output


def test_accepted_clause_that_passes_is_named(target: str) -> None:
    """An entry of `accept` that is no longer needed is mentioned."""
    with Path(target).open("a") as profile:
        profile.write("accept: [{clause: MOD-7, reason: legacy}]\n")
    result = verify("--target", target, "-k", "MOD-7")
    assert "MOD-7 is accepted in the profile, but passes again" in result.output
    assert result.exit_code == 0


def test_failures_of_the_baseline_do_not_fail_the_run(tmp_path: Path) -> None:
    """Only a failure that the baseline does not have makes the exit code 1."""
    report = tmp_path / "old.json"
    only = ("-k", "auth_rejects_missing_header", "--read-only")
    with scripted_server(wrong_code) as url:
        target = write(tmp_path, url)
        assert verify("--target", target, *only, "--report-json", str(report)).exit_code == 1
        known = verify("--target", target, *only, "--baseline", str(report))
        more = (*only[:1], f"{only[1]} or MOD-2", *only[2:])
        new = verify("--target", target, *more, "--baseline", str(report))
    assert known.exit_code == 0, known.output
    assert "AUTH-3: " in known.output
    assert "(in the baseline)" in known.output
    assert new.exit_code == 1


def test_read_only_run_of_conforming_server_exits_with_0(target: str) -> None:
    """What a GET cannot decide is skipped, not inconclusive."""
    result = verify("--target", target, "--read-only")
    assert result.exit_code == 0, result.output

"""The report on the client under test at the end of a session."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.support.pytest_sessions import Session, session

TESTS = """
import pytest

EVIL = "<script>alert(1)</script>"

def post_generation(hub, **fields):
    body = {"model": "gpt-image-2", "prompt": EVIL, "size": "1024x1024", **fields}
    return hub.client().post("/images/generations", json=body)

@pytest.mark.parametrize("seed", [1, 2])
def test_unknown(mockhub, seed):
    post_generation(mockhub, seed=seed)

def test_twice(mockhub):
    for _ in range(2):
        mockhub.arm("reset@after", times=1)
        with pytest.raises(Exception):
            post_generation(mockhub)
        post_generation(mockhub)

def test_polls(mockhub):
    id = post_generation(mockhub, **{"async": True}).json()["id"]
    for _ in range(2):
        mockhub.client().get(f"/generations/{id}")

def test_idle(mockhub):
    pass
"""

SUMMARY = """\
4 tests, 9 exchanges, 56 credits spent
money: double_charge in test_it.py::test_twice, 16 credits in all
"""


@pytest.fixture(scope="module", params=[(), ("-n", "2")], ids=["alone", "xdist"])
def finished_session(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Session:
    """Run tests of a careless client, in one process and in two; append the HTML report."""
    folder = tmp_path_factory.mktemp("reports")
    options = ("--mockhub-report-html", "report.html", *request.param)
    result = session(folder, TESTS, *options, plugins=("xdist",))
    return Session(result.code, result.output + (folder / "report.html").read_text("utf-8"))


def test_session_ends_with_findings_and_coverage(finished_session: Session) -> None:
    """Findings are ordered by severity, each once, with its tests and a suggestion."""
    assert SUMMARY in finished_session.output
    assert "suggestion: Send async: true and store the id" in finished_session.output
    assert re.search(
        r"warning: unknown_field in test_it.py::test_unknown\[.\] and 1 other",
        finished_session.output,
    )
    assert "Contract coverage: " in finished_session.output
    assert "  operations: list_models, get_credits\n  statuses: " in finished_session.output
    assert (
        "of list_models" not in finished_session.output.partition("<!doctype")[0]
    )  # it was never called
    assert re.search("  error codes: .*insufficientCredits", finished_session.output)
    assert "hint: " not in finished_session.output


EXPECTED = (
    TESTS.partition("@pytest")[0]
    + """
@pytest.mark.mockhub(expected_findings="double_charge")
def test_twice(mockhub):
    mockhub.arm("reset@after", times=1)
    with pytest.raises(Exception):
        post_generation(mockhub)
    post_generation(mockhub, seed=1)
    mockhub.arm("reset@after", times=1)
    with pytest.raises(Exception):
        post_generation(mockhub)
    post_generation(mockhub)

@pytest.mark.mockhub(expected_findings=["double_charged"])
def test_misspelt(mockhub):
    pass
"""
)


def test_expected_findings_are_left_out(tmp_path: Path) -> None:
    """A test that provokes a double charge says so; its other findings are reported."""
    done = session(tmp_path, EXPECTED)
    assert "double_charge in" not in done.output
    assert "unknown_field in" in done.output
    assert "did you mean 'double_charge'" in done.output


def test_verbose_session_shows_hints(tmp_path: Path) -> None:
    assert "hint: poll_after_completion" in session(tmp_path, TESTS, "-v").output


def test_session_without_requests_has_no_section(tmp_path: Path) -> None:
    result = session(tmp_path, "def test_it(mockhub): pass")
    assert result.counts == {"passed": 1}
    assert "= mockhub =" not in result.output


class TagParser(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.seen.append(tag)


def test_html_report_escapes_prompts(finished_session: Session) -> None:
    """A prompt that is a script is shown as text, and the page could not run one anyway."""
    page = finished_session.output[finished_session.output.index("<!doctype html>") :]
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "script" not in TagParser(page).seen
    assert "default-src 'none'" in page


def test_html_report_has_every_test(finished_session: Session) -> None:
    page = finished_session.output[finished_session.output.index("<!doctype html>") :]
    assert TagParser(page).seen.count("details") - 3 == 4  # three findings have one each
    assert '<td class="uncovered">never' in page
    assert "<td>reset@after</td>" in page


@pytest.mark.parametrize(
    ("path", "reason"),
    [("no/report.html", "there is no such directory"), (".", "it is a directory")],
)
def test_unwritable_html_report_is_an_error_before_the_first_test(
    tmp_path: Path, path: str, reason: str
) -> None:
    result = session(tmp_path, TESTS, "--mockhub-report-html", path)
    assert result.code == 4
    assert f"--mockhub-report-html {path}: cannot be written: {reason}" in result.output


def test_min_poll_interval_can_be_configured(tmp_path: Path) -> None:
    source = """
import pytest

@pytest.mark.mockhub(provider="polls=3")
def test_it(mockhub):
    body = {"model": "gpt-image-2", "prompt": "A cat", "async": True}
    id = mockhub.client().post("/images/generations", json=body).json()["id"]
    for _ in range(2):
        mockhub.client().get(f"/generations/{id}")
        mockhub.clock.advance("20s")
"""
    assert "fast_poll" not in session(tmp_path, source, "-v").output
    assert (
        "fast_poll" in session(tmp_path, source, "-v", ini="mockhub_min_poll_interval=1m\n").output
    )
    wrong = session(tmp_path, source, ini="mockhub_min_poll_interval=soon\n")
    assert "ini option mockhub_min_poll_interval: 'soon' is not a duration" in wrong.output


WRONG_CALLS = """
def test_fault(mockhub):
    mockhub.arm("reset@afer")

def test_clock(mockhub):
    mockhub.clock.advance("soon")

def test_filter(mockhub):
    mockhub.journal.filter(stauts=200)
"""


def test_error_of_use_is_shown_at_the_line_of_the_test(tmp_path: Path) -> None:
    """The frames of mockhub below it are left out."""
    result = session(tmp_path, WRONG_CALLS, "--tb=short")
    assert result.counts == {"failed": 3}, result.output
    assert re.findall(r"^(\S+:\d+): in", result.output, re.MULTILINE) == [
        "test_it.py:3",
        "test_it.py:6",
        "test_it.py:9",
    ]

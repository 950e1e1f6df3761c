"""What a session tells at its end of the client under test."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.support.pytest_sessions import Session, session

TESTS = """
import pytest

EVIL = "<script>alert(1)</script>"

def ask(hub, **fields):
    body = {"model": "gpt-image-2", "prompt": EVIL, "size": "1024x1024", **fields}
    return hub.client().post("/images/generations", json=body)

@pytest.mark.parametrize("seed", [1, 2])
def test_unknown(mockhub, seed):
    ask(mockhub, seed=seed)

def test_twice(mockhub):
    for _ in range(2):
        mockhub.arm("reset@after", times=1)
        with pytest.raises(Exception):
            ask(mockhub)
        ask(mockhub)

def test_polls(mockhub):
    id = ask(mockhub, **{"async": True}).json()["id"]
    for _ in range(2):
        mockhub.client().get(f"/generations/{id}")

def test_idle(mockhub):
    pass
"""

TOLD = """\
4 tests, 9 exchanges, 56 credits spent
money: double_charge in test_it.py::test_twice, 16 credits in all
"""


@pytest.fixture(scope="module", params=[(), ("-n", "2")], ids=["alone", "xdist"])
def told(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Session:
    """A session of careless tests, in one process and in two."""
    folder = tmp_path_factory.mktemp("told")
    options = ("--mockhub-report-html", "page.html", *request.param)
    done = session(folder, TESTS, *options, plugins=("xdist",))
    return Session(done.code, done.output + (folder / "page.html").read_text("utf-8"))


def test_the_session_ends_with_the_clients_mistakes(told: Session) -> None:
    """Costly ones first, each once, with where it was seen and what to do instead."""
    assert TOLD in told.output
    assert "suggestion: Send async: true and keep the id" in told.output
    assert re.search(
        r"warning: unknown_field in test_it.py::test_unknown\[.\] and 1 other", told.output
    )
    assert "Contract coverage: " in told.output
    assert "  operations: list_models, get_credits\n  statuses: " in told.output
    assert "of list_models" not in told.output.partition("<!doctype")[0]  # it was never called
    assert re.search("  error codes: .*insufficientCredits", told.output)
    assert "hint: " not in told.output


def test_hints_are_told_where_more_is_wanted(tmp_path: Path) -> None:
    """`-v` tells of polls after the end, too."""
    assert "hint: poll_after_completion" in session(tmp_path, TESTS, "-v").output


def test_a_session_without_a_hub_ends_as_ever(tmp_path: Path) -> None:
    """Where no hub was asked, there is no section."""
    done = session(tmp_path, "def test_it(mockhub): pass")
    assert done.counts == {"passed": 1}
    assert "= mockhub =" not in done.output


class Tags(HTMLParser):
    """The tags of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.seen.append(tag)


def test_the_page_escapes_what_clients_sent(told: Session) -> None:
    """A prompt that is a script is text, and the page could not run one anyway."""
    page = told.output[told.output.index("<!doctype html>") :]
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "script" not in Tags(page).seen
    assert "default-src 'none'" in page


def test_the_page_tells_of_every_test(told: Session) -> None:
    """Mistakes, coverage, and a table of what each test's client did."""
    page = told.output[told.output.index("<!doctype html>") :]
    assert Tags(page).seen.count("details") - 3 == 4  # three kinds of mistakes have one, too
    assert '<td class="uncovered">never' in page
    assert "<td>reset@after</td>" in page


def test_a_page_that_cannot_be_written_is_told_at_once(tmp_path: Path) -> None:
    """The error names the option and the folder, before a test runs."""
    done = session(tmp_path, TESTS, "--mockhub-report-html", "no/page.html")
    assert done.code == 4
    assert "--mockhub-report-html no/page.html: there is no folder" in done.output


def test_the_pause_between_polls_can_be_configured(tmp_path: Path) -> None:
    """With `mockhub_min_poll_interval` a client may poll as fast as that; a wrong value is explained."""  # noqa: E501
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

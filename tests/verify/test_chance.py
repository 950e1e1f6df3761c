"""What is random finds what only a sequence shows, and pays within the budget."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from contract_tests.breadth import BAD, GOOD, OPEN, classify
from contract_tests.report import Report
from contract_tests.runner import BUDGET, judge
from tests.verify.scripted import Reply, Request, altered, mock, profile_of, says

ONLY = "random"
GOOD_BODY = {"model": "gpt-image-2", "prompt": "A lighthouse", "size": "auto"}


@pytest.mark.parametrize("level", ["documented", "inferred"])
@pytest.mark.parametrize("seed", [1, 2])
def test_the_mock_passes_on_any_seed(seed: int, level: str) -> None:
    """Random sequences and bodies find nothing in our own mock, within the budget."""
    with mock() as served:
        report = judge(profile_of(served.url), seed=seed, level=level, only=ONLY, budget=120)
    assert [] == [(clause.id, clause.why) for clause in report.of("broken", "inconclusive")]
    assert {"LED-1", "REQ-10"} <= {clause.id for clause in report.of("passed")}
    assert report.credits_spent <= 120


def _second(change: Callable[[dict[str, Any]], None]) -> Callable[[Request, Reply], Reply | None]:
    numbers = count(1)

    def altering(request: Request, reply: Reply) -> Reply | None:
        if request.method != "POST" or reply.status != 200 or next(numbers) % 2:
            return None
        body = Request("", "", {}, reply.body).json()
        change(body)
        return says(body)

    return altering


def _told(report: Report) -> str:
    return next(one.why for one in report.of("broken"))


def test_a_defect_of_every_second_generation_is_told_as_steps() -> None:
    """A failing sequence ends in numbered steps, short enough to be repeated by hand."""
    lie = _second(lambda body: body["balance"].update(credits=0))
    with altered(lie) as url:
        report = judge(profile_of(url), seed=3, only="random_sequences")
    assert 1 == report.exit_code
    assert "after: 1. " in _told(report)
    assert report.credits_spent <= BUDGET


@pytest.mark.parametrize(
    ("body", "documented", "inferred"),
    [
        (GOOD_BODY, GOOD, GOOD),
        ({**GOOD_BODY, "n": 4, "async": True}, GOOD, GOOD),
        ({**GOOD_BODY, "n": 5}, BAD, BAD),
        ({**GOOD_BODY, "n": 0}, BAD, BAD),
        ({**GOOD_BODY, "quality": "best"}, BAD, BAD),
        ({**GOOD_BODY, "size": "huge"}, BAD, BAD),
        ({**GOOD_BODY, "model": "other"}, BAD, BAD),
        ({"prompt": "A lighthouse", "size": "auto"}, BAD, BAD),
        ([], BAD, BAD),
        ({**GOOD_BODY, "prompt": None}, OPEN, BAD),
        ({**GOOD_BODY, "n": "2"}, OPEN, BAD),
        ({**GOOD_BODY, "n": 2.0}, OPEN, OPEN),
        ({**GOOD_BODY, "prompt": "\ud800"}, OPEN, OPEN),
        ({**GOOD_BODY, "style": "vivid"}, OPEN, OPEN),
        ({"model": "gpt-image-2", "prompt": "A lighthouse"}, OPEN, OPEN),
        (b"{", OPEN, OPEN),
    ],
)
def test_what_the_page_leaves_open_is_not_judged(body: Any, documented: str, inferred: str) -> None:
    """A generated body is judged only where the level is sure of it."""
    assert documented == classify(body, documented=True)
    assert inferred == classify(body, documented=False)

"""What is random finds what only a sequence shows, and pays within the budget."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from mockhub.verify.fuzz.generated_bodies import Validity, classify
from mockhub.verify.reporters.report import Report
from mockhub.verify.runner import DEFAULT_BUDGET, run
from tests.support.scripted_server import (
    Request,
    Response,
    build_profile,
    json_response,
    mock,
    mock_with_changes,
)

ONLY = "random"
VALID, INVALID, UNSPECIFIED = Validity
GOOD_BODY = {"model": "gpt-image-2", "prompt": "A lighthouse", "size": "auto"}


@pytest.mark.parametrize("level", ["documented", "inferred"])
@pytest.mark.parametrize("seed", [1, 2])
def test_the_mock_passes_on_any_seed(seed: int, level: str) -> None:
    """Random sequences and bodies find nothing in our own mock, within the budget."""
    with mock() as served:
        report = run(build_profile(served.url), seed=seed, level=level, keyword=ONLY, budget=120)
    assert [
        (clause.id, clause.reason) for clause in report.with_outcome("failed", "inconclusive")
    ] == []
    assert {"LED-1", "REQ-10"} <= {clause.id for clause in report.with_outcome("passed")}
    assert report.credits_spent <= 120


def _second(
    change: Callable[[dict[str, Any]], None],
) -> Callable[[Request, Response], Response | None]:
    numbers = count(1)

    def altering(request: Request, reply: Response) -> Response | None:
        if request.method != "POST" or reply.status != 200 or next(numbers) % 2:
            return None
        body = Request("", "", {}, reply.body).json()
        change(body)
        return json_response(body)

    return altering


def _told(report: Report) -> str:
    return next(one.reason for one in report.with_outcome("failed"))


def test_a_defect_of_every_second_generation_is_told_as_steps() -> None:
    """A failing sequence ends in numbered steps, short enough to be repeated by hand."""
    lie = _second(lambda body: body["balance"].update(credits=0))
    with mock_with_changes(lie) as url:
        report = run(build_profile(url), seed=3, keyword="random_sequences")
    assert report.exit_code == 1
    assert "after: 1. " in _told(report)
    assert report.credits_spent <= DEFAULT_BUDGET


@pytest.mark.parametrize(
    ("body", "documented", "inferred"),
    [
        (GOOD_BODY, VALID, VALID),
        ({**GOOD_BODY, "n": 4, "async": True}, VALID, VALID),
        ({**GOOD_BODY, "n": 5}, INVALID, INVALID),
        ({**GOOD_BODY, "n": 0}, INVALID, INVALID),
        ({**GOOD_BODY, "quality": "best"}, INVALID, INVALID),
        ({**GOOD_BODY, "size": "huge"}, INVALID, INVALID),
        ({**GOOD_BODY, "model": "other"}, INVALID, INVALID),
        ({"prompt": "A lighthouse", "size": "auto"}, INVALID, INVALID),
        ([], INVALID, INVALID),
        ({**GOOD_BODY, "prompt": None}, UNSPECIFIED, INVALID),
        ({**GOOD_BODY, "n": "2"}, UNSPECIFIED, INVALID),
        ({**GOOD_BODY, "n": 2.0}, UNSPECIFIED, UNSPECIFIED),
        ({**GOOD_BODY, "prompt": "\ud800"}, UNSPECIFIED, UNSPECIFIED),
        ({**GOOD_BODY, "style": "vivid"}, UNSPECIFIED, UNSPECIFIED),
        ({"model": "gpt-image-2", "prompt": "A lighthouse"}, UNSPECIFIED, UNSPECIFIED),
        (b"{", UNSPECIFIED, UNSPECIFIED),
    ],
)
def test_what_the_page_leaves_open_is_not_judged(body: Any, documented: str, inferred: str) -> None:
    """A generated body is judged only where the level is sure of it."""
    assert documented == classify(body, documented=True)
    assert inferred == classify(body, documented=False)

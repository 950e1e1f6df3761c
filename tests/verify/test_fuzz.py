"""Checks with generated requests: they find defects that only a sequence shows."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from mockhub.verify import context
from mockhub.verify.fuzz.generated_bodies import Validity, classify
from mockhub.verify.runner import DEFAULT_BUDGET, run
from tests.support.scripted_server import (
    Change,
    Request,
    Response,
    build_profile,
    json_response,
    mock,
    mock_with_changes,
    problems,
)

ONLY = "random"
VALID, INVALID, UNSPECIFIED = Validity
GOOD_BODY = {"model": "gpt-image-2", "prompt": "A lighthouse", "size": "auto"}


@pytest.fixture(autouse=True)
def no_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Finish every check, however busy the machine is."""
    monkeypatch.setattr(context, "TIME_LIMIT_SECONDS", 600)


@pytest.mark.parametrize("level", ["documented", "inferred"])
@pytest.mark.parametrize("seed", [1, 2])
def test_mock_passes_with_any_seed(seed: int, level: str) -> None:
    """Generated sequences and bodies find nothing in our own mock, within the budget."""
    with mock() as served:
        report = run(build_profile(served.url), seed=seed, level=level, keyword=ONLY, budget=120)
    assert problems(report) == []
    assert {"LED-1", "REQ-10"} <= {clause.id for clause in report.with_outcome("passed")}
    assert report.credits_spent <= 120


def _every_second(change: Callable[[dict[str, Any]], None]) -> Change:
    numbers = count(1)

    def change_response(request: Request, response: Response) -> Response | None:
        if request.method != "POST" or response.status != 200 or next(numbers) % 2:
            return None
        body = response.json()
        change(body)
        return json_response(body)

    return change_response


def test_failing_sequence_is_printed_as_steps() -> None:
    """A failing sequence is shown as numbered steps, short enough to repeat by hand."""
    change = _every_second(lambda body: body["balance"].update(credits=0))
    with mock_with_changes(change) as url:
        report = run(build_profile(url), seed=3, keyword="random_sequences")
    assert report.exit_code == 1
    assert "after: 1. " in report.with_outcome("failed")[0].reason
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
        ({**GOOD_BODY, "n": None}, UNSPECIFIED, UNSPECIFIED),
        ({**GOOD_BODY, "n": "2"}, UNSPECIFIED, INVALID),
        ({**GOOD_BODY, "n": 2.0}, UNSPECIFIED, UNSPECIFIED),
        ({**GOOD_BODY, "prompt": "\ud800"}, UNSPECIFIED, UNSPECIFIED),
        ({**GOOD_BODY, "style": "vivid"}, UNSPECIFIED, UNSPECIFIED),
        ({"model": "gpt-image-2", "prompt": "A lighthouse"}, UNSPECIFIED, UNSPECIFIED),
        (b"{", UNSPECIFIED, UNSPECIFIED),
    ],
)
def test_open_points_are_unspecified(body: object, documented: str, inferred: str) -> None:
    """A generated body is valid or invalid only if the level says so."""
    assert classify(body, documented=True) == documented
    assert classify(body, documented=False) == inferred

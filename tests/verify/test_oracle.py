"""The suite's own model of the API."""

from __future__ import annotations

import pytest

from mockhub.verify import oracle


@pytest.mark.parametrize(
    ("size", "ratio", "is_same"),
    [
        ("1024x1024", "1:1", True),
        ("1024x1024", "1024:1024", False),
        ("1024x1024", "2:2", False),
        ("576x1344", "9:21", True),
        ("576x1344", "3:7", True),
        ("576x1344", "21:9", False),
        ("2688x1152", "7:3", True),
        ("1280x1024", "4:3", False),
        ("1024x1024", "auto", False),
        ("1024x1024", "1:0", False),
        ("auto", "1:1", False),
    ],
)
def test_ratio_is_listed_or_in_lowest_terms(size: str, ratio: str, is_same: bool) -> None:
    assert oracle.same_ratio(size, ratio) is is_same

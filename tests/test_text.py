"""Text helpers shared by every message and report."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockhub._text import format_value, plural, printable, suggest


def test_suggest_names_the_closest_known_word() -> None:
    assert suggest("minimun", ["maximum", "minimum"]) == "; did you mean 'minimum'?"
    assert suggest("colour", ["maximum", "minimum"]) == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a red apple", "a red apple"), ("लाल", "लाल"), ("\x1b[2J\n", r"\x1b[2J\n")],
)
def test_printable_escapes_control_characters(text: str, expected: str) -> None:
    assert printable(text) == expected


@pytest.mark.parametrize(("count", "expected"), [(0, "0 tests"), (1, "1 test"), (2, "2 tests")])
def test_plural(count: int, expected: str) -> None:
    assert plural(count, "test") == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a", '"a"'),
        (None, "null"),
        ([], "[]"),
        ({"a": 1}, "an object of 1"),
        ([1, 2], "an array of 2"),
        ("x" * 61, f'"{"x" * 60}"... (61 characters)'),
    ],
)
def test_format_value_is_short_json(value: Any, expected: str) -> None:
    assert format_value(value) == expected


@given(st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.lists(inner)))
def test_formatted_values_are_bounded(value: Any) -> None:
    assert len(format_value(value)) < 500

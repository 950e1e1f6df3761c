"""Text helpers shared by every message and report."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mockhub._text import format_value, plural, printable, suggest, to_printable_json


def test_suggest_names_the_closest_known_word() -> None:
    assert suggest("minimun", ["maximum", "minimum"]) == "; did you mean 'minimum'?"
    assert suggest("colour", ["maximum", "minimum"]) == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a red apple", "a red apple"),
        ("लाल \u200d", "लाल \u200d"),
        ("लाल\x1b[2J\n", r"लाल\x1b[2J\n"),
        ("\x00\x7f\x9b", r"\x00\x7f\x9b"),
        ("\u202eabc\u2066\u2028", r"\u202eabc\u2066\u2028"),
        ("\ud800\ufeff\uffff", r"\ud800\ufeff\uffff"),
    ],
)
def test_printable_escapes_what_a_terminal_could_obey(text: str, expected: str) -> None:
    assert printable(text) == expected


def test_printable_can_keep_newlines() -> None:
    assert printable("a\nb\r\x1b", keep="\n") == "a\nb\\r\\x1b"


@given(st.text())
def test_printable_text_is_printable(text: str) -> None:
    shown = printable(text)
    assert shown.replace("\u200c", "").replace("\u200d", "").isprintable()
    shown.encode()


@given(
    st.recursive(
        st.none() | st.text(),
        lambda inner: st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=5,
    )
)
def test_printable_json_is_the_same_json(value: Any) -> None:
    text = to_printable_json(value)
    assert json.loads(text) == value
    assert all(char.isprintable() or char in "\n\u200c\u200d" for char in text)


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


@settings(max_examples=50)
@given(st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.lists(inner)))
def test_formatted_values_are_bounded(value: Any) -> None:
    assert len(format_value(value)) < 500

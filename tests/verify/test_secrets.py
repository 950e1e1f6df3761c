"""No report shows a key, or anything that a key can be guessed from."""

from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockhub.verify.secrets import Secrets

RANDOM = "Zq3kV9xT1mB7wLr5sJd8HfYc2NgPa6Ue"
KEY = "gih_live_" + RANDOM
SECRETS = Secrets({KEY: "$MOCKHUB_KEY"})


def percent(text: str) -> str:
    return "".join(f"%{ord(char):02x}" for char in text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (KEY, "$MOCKHUB_KEY"),
        (f"?key={KEY}&a=1", "?key=$MOCKHUB_KEY&a=1"),
        (KEY + KEY, "$MOCKHUB_KEY$MOCKHUB_KEY"),
        (KEY + "x", "[$MOCKHUB_KEY and 1 more characters]"),
        (KEY[:-1] + "q", "[$MOCKHUB_KEY with its last character changed]"),
        (KEY[:-1], "[the first 40 characters of $MOCKHUB_KEY]"),
        (KEY[:30] + "q" * 11, "[$MOCKHUB_KEY with other characters]"),
        (KEY.upper(), "[$MOCKHUB_KEY in another case]"),
        (RANDOM, "[$MOCKHUB_KEY without its prefix]"),
        (percent(KEY), "$MOCKHUB_KEY"),
        (percent(percent(KEY)), "$MOCKHUB_KEY"),
        ("".join(f"\\u{ord(char):04x}" for char in KEY), "$MOCKHUB_KEY"),
        ("".join(f"&#{ord(char)};" for char in KEY), "$MOCKHUB_KEY"),
        (b64encode(KEY.encode()).decode(), "[$MOCKHUB_KEY in base64]"),
        ("Basic " + b64encode(f"user:{KEY}:".encode()).decode(), "Basic [$MOCKHUB_KEY in base64]"),
        (urlsafe_b64encode(f"?{KEY}".encode()).decode(), "[$MOCKHUB_KEY in base64]"),
        (KEY.encode().hex(), "[$MOCKHUB_KEY in hexadecimal]"),
        ("gih_live_", "gih_live_"),
        (RANDOM[:11], RANDOM[:11]),
        ("A paper boat, 0-1", "A paper boat, 0-1"),
    ],
)
def test_derived_forms_have_names(text: str, shown: str) -> None:
    assert SECRETS.redact(text) == shown
    assert SECRETS.redact(f'"{text}"') == f'"{shown}"'


def test_short_keys_are_replaced_exactly() -> None:
    """A key without 12 characters is replaced where it stands, longer keys first."""
    secrets = Secrets({"secret": "$MOCKHUB_KEY", "secret2": "$MOCKHUB_KEY_OTHER"})
    assert secrets.redact("secret2 secret Secret") == "$MOCKHUB_KEY_OTHER $MOCKHUB_KEY Secret"


def test_keys_that_share_a_part_have_their_own_names() -> None:
    other = KEY[:-3] + "abc"
    secrets = Secrets({KEY: "$MOCKHUB_KEY", other: "$MOCKHUB_KEY_OTHER"})
    assert secrets.redact(f"{KEY} {other}") == "$MOCKHUB_KEY $MOCKHUB_KEY_OTHER"


ENCODINGS: list[Callable[[str], str]] = [
    str,
    str.upper,
    str.swapcase,
    quote,
    percent,
    json.dumps,
    lambda text: b64encode(text.encode()).decode(),
    lambda text: urlsafe_b64encode(text.encode()).decode(),
    lambda text: text.encode().hex(),
]


@given(
    before=st.text(st.characters(max_codepoint=0x2FF), max_size=9),
    after=st.text(st.characters(max_codepoint=0x2FF), max_size=9),
    start=st.integers(0, 20),
    length=st.integers(12, 32),
    encode=st.sampled_from(ENCODINGS),
)
def test_no_12_characters_remain(
    before: str, after: str, start: int, length: int, encode: Callable[[str], str]
) -> None:
    """Whatever stands around a part of a key, 12 characters of it are found in any encoding."""
    part = RANDOM[start : start + length]
    text = encode(before + part + after)
    shown = SECRETS.redact(text)
    for position in range(len(RANDOM) - 11):
        window = RANDOM[position : position + 12]
        assert window.lower() not in shown.lower()
        assert percent(window) not in shown
    assert text not in shown

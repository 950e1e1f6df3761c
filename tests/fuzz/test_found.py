"""What the fuzzer found, and what it begins with, once more in the ordinary tests."""

from __future__ import annotations

import pytest

from tests.fuzz.targets import TARGETS, seeds, target

FOUND = [
    ("scenario", b"\n?"),  # a key that is no text
    ("scenario", b"accounts: &a {x: *a}"),  # a file that contains itself
    ("scenario", b"accounts: {1: {keys: [{key: a}]}}"),
    ("scenario", 3000 * b"["),
    ("scenario", b"a: {b: c?}"),  # libyaml takes it, its twin in Python does not
]


@pytest.mark.parametrize("name", TARGETS)
def test_readers_refuse_in_their_own_words(name: str) -> None:
    """A reader raises the one exception that it may, with a message of bounded length."""
    read = target(name)
    for data in (*seeds(name), *(found for whose, found in FOUND if whose == name), b"", b"\xff"):
        read(data)

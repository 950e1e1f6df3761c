"""Inputs that the fuzzer found, and its initial inputs."""

from __future__ import annotations

import pytest

from tests.fuzz.targets import TARGETS, seeds, target

FOUND = [
    ("scenario", b"\n?"),  # a key that is not a string
    ("scenario", b"accounts: &a {x: *a}"),  # a file that contains itself
    ("scenario", b"accounts: {1: {keys: [{key: a}]}}"),
    ("scenario", 3000 * b"["),
    ("scenario", b"a: {b: c?}"),  # libyaml accepts it, PyYAML in Python does not
]


@pytest.mark.parametrize("name", TARGETS)
def test_parsers_raise_only_their_documented_error(name: str) -> None:
    """A parser raises only its documented exception, with a message of bounded length."""
    parse = target(name)
    for data in (
        *seeds(name),
        *(raw for target_name, raw in FOUND if target_name == name),
        b"",
        b"\xff",
    ):
        parse(data)

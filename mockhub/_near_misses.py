"""Compares fields with what a test expects, and ranks those that nearly match."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

MAX_NEAR_MISSES = 3


class Difference(NamedTuple):
    name: str
    expected: object
    actual: object

    def __str__(self) -> str:
        return (
            f"{self.name} was {format_expected(self.actual)}, not {format_expected(self.expected)}"
        )


def differences(actual: Mapping[str, object], criteria: Mapping[str, object]) -> list[Difference]:
    """Return the criteria that *actual* does not meet; a pattern is searched in a text."""
    return [
        Difference(name, expected, actual.get(name))
        for name, expected in criteria.items()
        if not _matches(actual.get(name), expected)
    ]


def distance(differences: Sequence[Difference]) -> float:
    """Return the number of different fields; similar texts count as little as half a field."""
    return sum(1 - _similarity(one.expected, one.actual) / 2 for one in differences)


def format_expected(value: object) -> str:
    return f"re.compile({value.pattern!r})" if isinstance(value, re.Pattern) else repr(value)


def format_criteria(criteria: Mapping[str, object]) -> str:
    return ", ".join(f"{name}={format_expected(value)}" for name, value in criteria.items())


def _matches(actual: object, expected: object) -> bool:
    if isinstance(expected, re.Pattern):
        return isinstance(actual, str) and expected.search(actual) is not None
    return bool(actual == expected)


def _similarity(expected: object, actual: object) -> float:
    if isinstance(expected, str) and isinstance(actual, str):
        return SequenceMatcher(None, expected, actual).ratio()
    return 0.0


def join_near_misses(misses: Iterable[tuple[float, str]]) -> list[str]:
    """Return a line for each of the nearest ones, given their distances and descriptions."""
    nearest = sorted(misses, key=lambda miss: miss[0])[:MAX_NEAR_MISSES]
    return [f"  near miss: {description}" for _, description in nearest]

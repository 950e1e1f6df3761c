"""Compares generations with what a test expects, and describes near misses."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

from msgspec.structs import asdict

from mockhub._text import plural
from mockhub.domain.generations import Generation
from mockhub.spec.generation_request import GenerationRequest
from mockhub.spec.operations import OperationId
from mockhub.testing.exchanges import ExchangeList, RecordedExchange, check_field_names

GENERATION_FIELDS = (*GenerationRequest.__struct_fields__, "status", "delivered", "credits")

_MAX_NEAR_MISSES = 3


class _Difference(NamedTuple):
    name: str
    expected: object
    actual: object


def generation_fields(generation: Generation) -> dict[str, object]:
    request = generation.request
    return {
        **asdict(request),
        "references": len(request.references),
        "status": generation.status,
        "delivered": generation.delivered,
        "credits": generation.credits,
    }


def check_generated(
    generations: Iterable[Generation],
    journal: ExchangeList,
    criteria: Mapping[str, object],
    times: int | None,
) -> str | None:
    """Check how many generations match the criteria.

    Args:
        times: The expected number; None for at least one.

    Returns:
        The message of the failed assertion, or None.

    Raises:
        MockhubError: if a generation has no such field.
    """
    check_field_names(criteria, GENERATION_FIELDS, "a generation")
    fields_by_id = {one.id: generation_fields(one) for one in generations}
    matching = [id for id, fields in fields_by_id.items() if not _differences(fields, criteria)]
    if len(matching) == times or (times is None and matching):
        return None
    expected = "a generation" if times is None else plural(times, "generation")
    criteria_text = ", ".join(f"{name}={_repr(value)}" for name, value in criteria.items())
    expected += f" with {criteria_text}" if criteria else ""
    ids = f": {', '.join(matching)}" if matching else ""
    message = f"expected {expected}; there are {len(matching)}{ids}"
    if len(matching) >= (times or 1):
        return message
    return "\n".join([message, *_near_misses(fields_by_id, journal, criteria)])


def _differences(actual: Mapping[str, object], criteria: Mapping[str, object]) -> list[_Difference]:
    return [
        _Difference(name, expected, actual.get(name))
        for name, expected in criteria.items()
        if not _matches(actual.get(name), expected)
    ]


def _matches(actual: object, expected: object) -> bool:
    if isinstance(expected, re.Pattern):
        return isinstance(actual, str) and expected.search(actual) is not None
    return bool(actual == expected)


def _near_misses(
    fields_by_id: Mapping[str, Mapping[str, object]],
    journal: ExchangeList,
    criteria: Mapping[str, object],
) -> list[str]:
    misses = []
    for exchange in journal.filter(operation=OperationId.CREATE_GENERATION):
        actual = fields_by_id.get(exchange.generation or "", exchange.fields)
        differences = _differences(actual, criteria)
        if differences or exchange.generation is None:
            misses.append((_distance(differences), exchange, differences))
    misses.sort(key=lambda miss: miss[0])
    return [
        _describe(exchange, differences) for _, exchange, differences in misses[:_MAX_NEAR_MISSES]
    ]


def _distance(differences: Iterable[_Difference]) -> float:
    """Return the number of different fields; similar texts count as little as half a field."""
    distance = 0.0
    for _, expected, actual in differences:
        similarity = 0.0
        if isinstance(expected, str) and isinstance(actual, str):
            similarity = SequenceMatcher(None, expected, actual).ratio()
        distance += 1 - similarity / 2
    return distance


def _describe(exchange: RecordedExchange, differences: Sequence[_Difference]) -> str:
    reasons = [
        f"{name} was {_repr(actual)}, not {_repr(expected)}"
        for name, expected, actual in differences
    ]
    if exchange.generation is None:
        reasons.append(f"the response was {exchange.status} {exchange.code or ''}".rstrip())
    return f"  near miss: #{exchange.number}: {'; '.join(reasons)}"


def _repr(value: object) -> str:
    return f"re.compile({value.pattern!r})" if isinstance(value, re.Pattern) else repr(value)

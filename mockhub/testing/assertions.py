"""What a test claims of its hub, and what it is told when that is not so."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any

from msgspec.structs import asdict

from mockhub._text import plural
from mockhub.domain.generations import Generation
from mockhub.spec.generation_request import GenerationRequest
from mockhub.spec.operations import OperationId
from mockhub.testing.exchanges import ExchangeView, JournalView, check_field_names

GENERATION_FIELDS = (*GenerationRequest.__struct_fields__, "status", "delivered", "credits")

_MAX_NEAR_MISSES = 3


def generation_fields(generation: Generation) -> dict[str, Any]:
    """What can be claimed of a generation."""
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
    journal: JournalView,
    criteria: Mapping[str, Any],
    times: int | None,
) -> str | None:
    """What is wrong with the claim that so many generations were as *wanted*; None if it holds."""
    check_field_names(criteria, GENERATION_FIELDS, "a generation")
    all_generations = list(generations)
    matching = [
        one for one in all_generations if not _differences(generation_fields(one), criteria)
    ]
    if len(matching) == times or (times is None and matching):
        return None
    expected = "a generation" if times is None else plural(times, "generation")
    criteria_text = ", ".join(f"{name}={_format_value(value)}" for name, value in criteria.items())
    ids = f": {', '.join(one.id for one in matching)}" if matching else ""
    message = f"expected {expected}{' with ' * bool(criteria_text)}{criteria_text}; there are {len(matching)}{ids}"  # noqa: E501
    near_misses = (
        _near_misses(all_generations, journal, criteria) if len(matching) < (times or 1) else []
    )
    return "\n".join([message, *near_misses])


def _differences(
    actual: Mapping[str, Any], expected: Mapping[str, Any]
) -> list[tuple[str, Any, Any]]:
    return [
        (name, value, actual.get(name))
        for name, value in expected.items()
        if not _matches(actual.get(name), value)
    ]


def _matches(actual: Any, expected: Any) -> bool:
    if isinstance(expected, re.Pattern):
        return isinstance(actual, str) and expected.search(actual) is not None
    return bool(actual == expected)


def _near_misses(
    generations: Sequence[Generation], journal: JournalView, criteria: Mapping[str, Any]
) -> list[str]:
    """The requests that come closest, and in what each of them differs."""
    fields_by_id = {one.id: generation_fields(one) for one in generations}
    requests = [one for one in journal if one.operation == OperationId.CREATE_GENERATION]
    misses = []
    for exchange in requests:
        actual = fields_by_id.get(exchange.generation or "", exchange.fields)
        differences = _differences(actual, criteria)
        if differences or exchange.generation is None:
            misses.append((_distance(differences), exchange, differences))
    misses.sort(key=lambda miss: miss[0])
    return [
        _describe(exchange, differences) for _, exchange, differences in misses[:_MAX_NEAR_MISSES]
    ]


def _distance(differences: Sequence[tuple[str, Any, Any]]) -> float:
    """How far off: a field each, and a prompt by how little of it agrees."""
    distance = 0.0
    for _, wanted, actual in differences:
        both_texts = isinstance(wanted, str) and isinstance(actual, str)
        similarity = SequenceMatcher(None, wanted, actual).ratio() if both_texts else 0.0
        distance += 1 - similarity / 2
    return distance


def _describe(exchange: ExchangeView, differences: Sequence[tuple[str, Any, Any]]) -> str:
    reasons = [
        f"{name} was {_format_value(actual)}, not {_format_value(wanted)}"
        for name, wanted, actual in differences
    ]
    if exchange.generation is None:
        reasons.append(f"the response was {exchange.status} {exchange.code or ''}".rstrip())
    return f"  near miss: #{exchange.number}: {'; '.join(reasons)}"


def _format_value(value: Any) -> str:
    return f"re.compile({value.pattern!r})" if isinstance(value, re.Pattern) else repr(value)

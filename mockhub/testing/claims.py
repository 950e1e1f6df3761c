"""What a test claims of its hub, and what it is told when that is not so."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any

from msgspec.structs import asdict

from mockhub.testing.exchanges import Exchange, Journal, check_names
from mockhub.world.generations import Generation, Request

FIELDS = (*Request.__struct_fields__, "status", "delivered", "credits")

_NEAREST = 3


def fields(generation: Generation) -> dict[str, Any]:
    """What can be claimed of a generation."""
    request = generation.request
    return {
        **asdict(request),
        "references": len(request.references),
        "status": generation.status,
        "delivered": generation.delivered,
        "credits": generation.credits,
    }


def generated(
    generations: Iterable[Generation],
    journal: Journal,
    wanted: Mapping[str, Any],
    times: int | None,
) -> str | None:
    """What is wrong with the claim that so many generations were as *wanted*; None if it holds."""
    check_names(wanted, FIELDS, "a generation")
    every = list(generations)
    found = [one for one in every if not _differences(fields(one), wanted)]
    if len(found) == times or (times is None and found):
        return None
    expected = "a generation" if times is None else f"{times} generation{'s' * (times != 1)}"
    spelt = ", ".join(f"{name}={_spelt(value)}" for name, value in wanted.items())
    ids = f": {', '.join(one.id for one in found)}" if found else ""
    message = f"expected {expected}{' with ' * bool(spelt)}{spelt}; there are {len(found)}{ids}"
    near = _near_misses(every, journal, wanted) if len(found) < (times or 1) else []
    return "\n".join([message, *near])


def _differences(
    actual: Mapping[str, Any], wanted: Mapping[str, Any]
) -> list[tuple[str, Any, Any]]:
    return [
        (name, value, actual.get(name))
        for name, value in wanted.items()
        if not _agrees(actual.get(name), value)
    ]


def _agrees(actual: Any, wanted: Any) -> bool:
    if isinstance(wanted, re.Pattern):
        return isinstance(actual, str) and wanted.search(actual) is not None
    return bool(actual == wanted)


def _near_misses(
    generations: Sequence[Generation], journal: Journal, wanted: Mapping[str, Any]
) -> list[str]:
    """The requests that come closest, and in what each of them differs."""
    made = {one.id: fields(one) for one in generations}
    asked = [one for one in journal if one.operation == "create_generation"]
    misses = []
    for exchange in asked:
        actual = made.get(exchange.generation or "", exchange.fields)
        differences = _differences(actual, wanted)
        if differences or exchange.generation is None:
            misses.append((_distance(differences), exchange, differences))
    misses.sort(key=lambda miss: miss[0])
    return [_told(exchange, differences) for _, exchange, differences in misses[:_NEAREST]]


def _distance(differences: Sequence[tuple[str, Any, Any]]) -> float:
    """How far off: a field each, and a prompt by how little of it agrees."""
    distance = 0.0
    for _, wanted, actual in differences:
        both_texts = isinstance(wanted, str) and isinstance(actual, str)
        alike = SequenceMatcher(None, wanted, actual).ratio() if both_texts else 0.0
        distance += 1 - alike / 2
    return distance


def _told(exchange: Exchange, differences: Sequence[tuple[str, Any, Any]]) -> str:
    reasons = [
        f"{name} was {_spelt(actual)}, not {_spelt(wanted)}" for name, wanted, actual in differences
    ]
    if exchange.generation is None:
        reasons.append(f"it was answered {exchange.status} {exchange.code or ''}".rstrip())
    return f"  near miss: #{exchange.number}: {'; '.join(reasons)}"


def _spelt(value: Any) -> str:
    return f"re.compile({value.pattern!r})" if isinstance(value, re.Pattern) else repr(value)

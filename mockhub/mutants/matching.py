"""Functions of a generation or of a request, which say whether a mutant changes it."""

from __future__ import annotations

from collections.abc import Callable

from mockhub.mutants.types import Generation, ParsedRequest

Matches = Callable[[ParsedRequest], bool]


def is_async(generation: Generation) -> bool:
    return generation.request.run_async


def is_sync(generation: Generation) -> bool:
    return not generation.request.run_async


def has_failed(generation: Generation) -> bool:
    return generation.status == "failed"


def has_references(generation: Generation) -> bool:
    return bool(generation.request.references)


def has_high_quality(generation: Generation) -> bool:
    return generation.request.quality == "high"


def credits_requested(generation: Generation) -> int:
    return generation.credits_requested


def credits_per_image(generation: Generation) -> int:
    return generation.quote.credits_per_image


def has_value(name: str, *values: object) -> Matches:
    return lambda request: request.values.get(name) in values


def lacks(name: str) -> Matches:
    return lambda request: name not in request.values

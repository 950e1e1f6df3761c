"""Functions of a generation or of a request, which say whether a mutant changes it."""

from __future__ import annotations

from collections.abc import Callable

from mockhub.mutants.types import Generation, ParsedRequest

Matches = Callable[[ParsedRequest], bool]
GenerationMatches = Callable[[Generation], bool]


def is_async(generation: Generation) -> bool:
    return generation.request.run_async


def is_sync(generation: Generation) -> bool:
    return not generation.request.run_async


def is_running(generation: Generation) -> bool:
    return not generation.ended


def has_failed(generation: Generation) -> bool:
    return generation.status == "failed"


def lacks_images(generation: Generation) -> bool:
    return 0 < generation.delivered < generation.request.n


def has_references(generation: Generation) -> bool:
    return bool(generation.request.references)


def has_high_quality(generation: Generation) -> bool:
    return generation.request.quality == "high"


def credits_requested(generation: Generation) -> int:
    return generation.credits_requested


def credits_per_image(generation: Generation) -> int:
    return generation.quote.credits_per_image


def has_count(number: int) -> GenerationMatches:
    return lambda generation: generation.request.n == number


def is_paid_by(account: str) -> GenerationMatches:
    return lambda generation: generation.account == account


def all_of(*functions: GenerationMatches) -> GenerationMatches:
    """Return whether all of some functions match, as in a defect of one combination."""
    return lambda generation: all(matches(generation) for matches in functions)


def has_value(name: str, *values: object) -> Matches:
    return lambda request: request.values.get(name) in values


def is_task(request: ParsedRequest) -> bool:
    return request.values.get("async") in (True, "true")


def lacks(name: str) -> Matches:
    return lambda request: name not in request.values

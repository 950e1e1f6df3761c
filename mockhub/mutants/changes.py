"""Functions for the rows of tables: what a hook does with JSON or with another value.

A hook passes a value and more arguments, such as the generation. A function for JSON changes it in
place; a function for any other value returns the new one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from mockhub.domain.generations import Generation

T = TypeVar("T")

InPlace = Callable[..., object]

# -- JSON ----------------------------------------------------------------------------------------


def update(**fields: object) -> InPlace:
    return lambda content, *rest: content.update(fields)


def set_default(**fields: object) -> InPlace:
    return lambda content, *rest: content.update({**fields, **content})


def remove(*fields: str) -> InPlace:
    return lambda content, *rest: [content.pop(field, None) for field in fields]


def rename(field: str, new_name: str) -> InPlace:
    return lambda content, *rest: content.update({new_name: content.pop(field)})


def edit(field: str, change: Callable[..., object]) -> InPlace:
    """Replace the value of a field by the result of a function of it."""
    return lambda content, *rest: content.update({field: change(content[field])})


def compute(**fields: Callable[[Generation], object]) -> InPlace:
    """Set fields to the results of functions of the generation."""
    return lambda content, generation, *rest: content.update(
        {field: function(generation) for field, function in fields.items()}
    )


def extend(field: str, *items: object) -> InPlace:
    """Append items to a list."""
    return lambda content, *rest: content[field].extend(items)


def within(field: str, change: InPlace) -> InPlace:
    """Change the value of a field in place."""
    return lambda content, *rest: change(content[field], *rest)


# -- any value -----------------------------------------------------------------------------------


def constant(value: T) -> Callable[..., T]:
    return lambda *args: value


def plus(number: int) -> Callable[..., int]:
    return lambda value, *rest: value + number


def times(factor: int) -> Callable[..., int]:
    return lambda value, *rest: value * factor


def computed(function: Callable[[Generation], T]) -> Callable[..., T]:
    """Replace a value by the result of a function of the generation."""
    return lambda value, generation: function(generation)


def only_if(matches: Callable[..., bool], change: Callable[..., T]) -> Callable[..., T]:
    """Change the values of some generations only, given a function of the generation."""
    return lambda value, generation, *rest: (
        change(value, generation, *rest) if matches(generation) else value
    )


def if_type(expected_type: type, change: Callable[[Any], object]) -> Callable[[object], object]:
    """Return *change* as a function that leaves values of other types unchanged."""
    return lambda value: change(value) if type(value) is expected_type else value

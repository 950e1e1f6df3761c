"""The bounds on integers that come from outside, and the check that enforces them."""

from __future__ import annotations

from mockhub._text import format_value
from mockhub.exceptions import MockhubError

MAX_INTEGER = 2**53 - 1  # the largest that every JSON parser reads exactly
MAX_GENERATIONS = 10_000_000  # that a hub may be set to keep
MAX_GENERATIONS_SIZE = 1_000_000_000_000  # bytes of them


def require_integer(
    name: str, value: object, minimum: int = -MAX_INTEGER, maximum: int = MAX_INTEGER
) -> None:
    """Raise MockhubError if *value* is not an int, or out of bounds; True and 1.0 are not."""
    if type(value) is not int or not minimum <= value <= maximum:
        raise MockhubError(
            f"{name}: {format_value(value)} is not valid; "
            f"expected a whole number from {minimum} to {maximum}"
        )

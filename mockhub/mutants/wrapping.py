"""Replace a method of one object, without an effect on others of its class."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., object])

Original = Callable[..., Any]  # the method that was replaced


def wrap(target: object, method: str) -> Callable[[F], F]:
    """Replace a method of *target*; the function receives the original as its first argument."""
    original = getattr(target, method)

    def decorator(function: F) -> F:
        setattr(target, method, partial(function, original))
        return function

    return decorator

"""Replace a method of one object, without an effect on others of its class."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal, TypeVar

F = TypeVar("F", bound=Callable[..., object])
T = TypeVar("T")

Decorator = Callable[[T], T]
Original = Callable[..., Any]  # the method that was replaced

Method = Literal[
    # PublicApi, and ImageEndpoint
    "handle",
    "route",
    "authenticate",
    "parse_request",
    "render",
    # HubBackend, and its Ids
    "create_generation",
    "start_generation",
    "get_generation",
    "record_poll",
    "complete_generation",
    "commit",
    "generation",
    "image",
]


def wrap(target: object, name: Method) -> Callable[[F], F]:
    """Replace a method of *target*; the function receives the original as its first argument."""
    original = getattr(target, name)

    def decorator(function: F) -> F:
        setattr(target, name, partial(function, original))
        return function

    return decorator

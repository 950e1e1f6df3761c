"""Copy the state of a hub as a whole."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, TypeVar

from mockhub.spec.frozen_struct import FrozenStruct

T = TypeVar("T")

_IMMUTABLE = (type(None), int, float, str, bytes, tuple, FrozenStruct)


def copy_state(value: T) -> T:
    """Copy dataclasses, dicts, lists and deques with all that they contain, and share the rest.

    Raises:
        TypeError: for a type that is neither one of these nor known to be immutable.
    """
    kind: type = type(value)
    copied: T = _copier(kind)(value)
    return copied


@cache
def _copier(kind: type) -> Callable[[Any], Any]:
    if issubclass(kind, _IMMUTABLE):
        return lambda value: value
    if issubclass(kind, dict):
        return lambda value: kind({key: copy_state(item) for key, item in value.items()})
    if issubclass(kind, (list, deque)):
        return lambda value: kind(map(copy_state, value))
    if is_dataclass(kind):
        names = [field.name for field in fields(kind)]
        return lambda value: kind(**{name: copy_state(getattr(value, name)) for name in names})
    raise TypeError(f"cannot copy {kind.__name__} as part of a hub's state")

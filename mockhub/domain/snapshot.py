"""Copy the state of a hub as a whole, for forks, snapshots and resets."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, TypeVar

from mockhub.domain.clock import ManualClock, SystemClock, copy_clock
from mockhub.spec.frozen_struct import FrozenStruct

T = TypeVar("T")

_IMMUTABLE = (type(None), int, float, str, bytes, tuple, FrozenStruct)


def copy_state(value: T) -> T:
    """Copy dataclasses, dicts, lists, deques and clocks with all that they contain.

    Raises:
        TypeError: for any other type that is not known to be immutable.
    """
    kind: type = type(value)
    copied: T = _copier(kind)(value)
    return copied


@cache
def _copier(kind: type) -> Callable[[Any], Any]:
    if _is_immutable(kind):
        return lambda value: value
    if issubclass(kind, dict):
        return lambda value: kind(zip(value, _copy_items(value.values()), strict=True))
    if issubclass(kind, (list, deque)):
        return lambda value: kind(_copy_items(value))
    if issubclass(kind, (SystemClock, ManualClock)):
        return copy_clock
    if is_dataclass(kind):
        return _dataclass_copier(kind)
    raise TypeError(f"cannot copy {kind.__name__} as part of a hub's state")


@cache
def _is_immutable(kind: type) -> bool:
    return issubclass(kind, _IMMUTABLE)


def _copy_items(items: Collection[Any]) -> Iterable[Any]:
    if all(map(_is_immutable, set(map(type, items)))):  # a hub may keep hundreds of thousands
        return items
    return map(copy_state, items)


def _dataclass_copier(kind: type) -> Callable[[Any], Any]:
    names = [field.name for field in fields(kind)]
    derive_attributes = getattr(kind, "__post_init__", lambda value: None)

    def copy_dataclass(value: Any) -> Any:
        copied: Any = object.__new__(kind)
        for name in names:
            setattr(copied, name, copy_state(getattr(value, name)))
        derive_attributes(copied)
        return copied

    return copy_dataclass

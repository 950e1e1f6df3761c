"""Containers that remember what was changed in them."""

from __future__ import annotations

from collections import deque
from typing import Any, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class TrackedDict(dict[Key, Value]):
    """A dictionary that remembers which keys were set and removed.

    Only what the domain uses is tracked: assignment and `pop`.

    Attributes:
        changed: The keys that were set, in that order.
        removed: The keys that were removed.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.changed: dict[Key, None] = {}
        self.removed: set[Key] = set()

    def __setitem__(self, key: Key, value: Value) -> None:
        self.changed[key] = None
        self.removed.discard(key)
        super().__setitem__(key, value)

    def pop(self, key: Key, default: Any = None) -> Any:
        if key in self:
            self.changed.pop(key, None)
            self.removed.add(key)
        return super().pop(key, default)

    def forget_changes(self) -> None:
        self.changed.clear()
        self.removed.clear()


class TrackedDeque(deque[Value]):
    """A deque that remembers what was appended; items have positions that never change.

    Attributes:
        total: How many items were appended: the position after the last one.
        appended: The items since `forget_changes`, by position.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.total = len(self)
        self.appended: dict[int, Value] = {}

    @property
    def first(self) -> int:
        """The position of the first item."""
        return self.total - len(self)

    def append(self, item: Value) -> None:
        self.appended[self.total] = item
        self.total += 1
        super().append(item)

    def forget_changes(self) -> None:
        self.appended.clear()

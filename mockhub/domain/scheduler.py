"""The agenda: what falls due in a hub, and when."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush


class Scheduler:
    """Moments in milliseconds, each with the id of the generation that ends then, if one does."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, str]] = []

    def add(self, due_at: int | None, id: str = "") -> None:
        """Note a moment; None, which is never, is not noted."""
        if due_at is not None:
            heappush(self._heap, (due_at, id))

    def pop_due(self, now: int) -> tuple[int, str] | None:
        """What is due first, struck out; None if nothing is due by now."""
        if self._heap and self._heap[0][0] <= now:
            return heappop(self._heap)
        return None

    def next_due(self, is_pending: Callable[[int, str], bool]) -> int | None:
        """The soonest moment that still *matters*, or None; those that do not are struck out."""
        while self._heap and not is_pending(*self._heap[0]):
            heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def copy(self) -> Scheduler:
        """The same agenda, apart."""
        clone = Scheduler()
        clone._heap = self._heap.copy()
        return clone

"""The agenda: what falls due in a hub, and when."""

from __future__ import annotations

import sys
from collections.abc import Callable
from heapq import heappop, heappush

_NEVER = sys.maxsize


class Agenda:
    """Moments in milliseconds, each with the id of the generation that ends then, if one does."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, str]] = []
        self.soonest = _NEVER  # when the first of them falls due

    def add(self, moment: int | None, id: str = "") -> None:
        """Note a moment; None, which is never, is not noted."""
        if moment is not None:
            heappush(self._heap, (moment, id))
            self.soonest = self._heap[0][0]

    def pop(self, now: int) -> tuple[int, str] | None:
        """What is due first, struck out; None if nothing is due by now."""
        return self._strike_out() if self.soonest <= now else None

    def next(self, matters: Callable[[int, str], bool]) -> int | None:
        """The soonest moment that still *matters*, or None; those that do not are struck out."""
        while self._heap and not matters(*self._heap[0]):
            self._strike_out()
        return self._heap[0][0] if self._heap else None

    def copy(self) -> Agenda:
        """The same agenda, apart."""
        twin = Agenda()
        twin._heap, twin.soonest = self._heap.copy(), self.soonest
        return twin

    def _strike_out(self) -> tuple[int, str]:
        item = heappop(self._heap)
        self.soonest = self._heap[0][0] if self._heap else _NEVER
        return item

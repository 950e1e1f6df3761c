"""The events of a hub that are due at a time, completions and expiries, in their order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush


@dataclass(slots=True)
class Scheduler:
    """When generations complete and lots of credits expire, in milliseconds.

    Attributes:
        completions: a heap of times with the ids of generations.
        expiries: a heap of times.
    """

    completions: list[tuple[int, str]] = field(default_factory=list)
    expiries: list[int] = field(default_factory=list)

    def add_completion(self, due_at: int | None, id: str) -> None:
        """Add a generation; None means that time does not complete it."""
        if due_at is not None:
            heappush(self.completions, (due_at, id))

    def add_expiry(self, due_at: int | None) -> None:
        """Add the expiry of a lot; None means that it never expires."""
        if due_at is not None:
            heappush(self.expiries, due_at)

    def pop_due(self, now: int) -> tuple[int, str] | None:
        """Remove and return the first event that is due: its time, and the id of a generation.

        The id is empty where a lot expires. At the same time lots expire first.
        """
        completions, expiries = self.completions, self.expiries
        due_at = completions[0][0] if completions else None
        if expiries and expiries[0] <= now and (due_at is None or expiries[0] <= due_at):
            return heappop(expiries), ""
        return heappop(completions) if due_at is not None and due_at <= now else None

    def next_completion(self, is_running: Callable[[str], bool]) -> int | None:
        """Return when the next running generation completes; discard those that have ended."""
        while self.completions and not is_running(self.completions[0][1]):
            heappop(self.completions)
        return self.completions[0][0] if self.completions else None

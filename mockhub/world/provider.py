"""The provider: the scripted outside party that makes the images, or does not."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Outcome(NamedTuple):
    """How one generation goes."""

    deliver: int | None = None  # images; None: as many as asked for
    take: int = 0  # milliseconds until it ends
    polls: int | None = None  # ends at this poll instead, counted from 1
    fail: bool = False
    stuck: bool = False  # ends only by hand

    def delivered(self, asked: int) -> int:
        """How many of the images asked for arrive."""
        if self.fail:
            return 0
        return asked if self.deliver is None else min(self.deliver, asked)


GOOD = Outcome()


class Provider:
    """A row of outcomes, one a generation; the last one repeats."""

    def __init__(self, outcomes: Iterable[Outcome] = (GOOD,)) -> None:
        self.script = tuple(outcomes) or (GOOD,)
        self.used = 0

    def next(self) -> Outcome:
        """The next generation's outcome."""
        script, used = self.script, self.used
        self.used = used + 1
        return script[used] if used < len(script) else script[-1]

    def copy(self) -> Provider:
        """The same script, as far as it has come."""
        twin = Provider(self.script)
        twin.used = self.used
        return twin

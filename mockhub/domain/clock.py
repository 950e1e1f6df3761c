"""Time: whole milliseconds since 1970 in UTC, from the system or from the test's hand."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal, Protocol

from mockhub._timestamps import (
    format_timestamp,
)
from mockhub.exceptions import MockhubError

ClockMode = Literal["autojump", "hold"]


# The latest moment that a clock may show; what falls due ten years later can still be written.
MAX_TIMESTAMP = 221_845_392_000_000  # 9000-01-01


class Clock(Protocol):
    """What the world asks of a clock."""

    listeners: list[Callable[[], None]]  # told when somebody moves it

    def now(self) -> int: ...


class SystemClock:
    """The machine's own time; nobody can move it."""

    def __init__(self) -> None:
        self.listeners: list[Callable[[], None]] = []

    def now(self) -> int:
        """Milliseconds since 1970."""
        return time.time_ns() // 1_000_000


class ManualClock:
    """Time that moves only when told.

    In the *autojump* mode whoever waits for a moment moves the clock there; in the *hold* mode the
    wait lasts until somebody else does.
    """

    def __init__(self, now: int, *, mode: ClockMode = "autojump") -> None:
        self._now = now
        self.mode = mode
        self.listeners: list[Callable[[], None]] = []

    def now(self) -> int:
        """Milliseconds since 1970."""
        return self._now

    def advance(self, milliseconds: int) -> None:
        """Move on; time does not run backwards."""
        self.set(self._now + milliseconds)

    def set(self, timestamp: int) -> None:
        """Move to a moment, in milliseconds since 1970.

        Raises:
            MockhubError: if it lies in the past, or too far ahead to be written down.
        """
        if timestamp > MAX_TIMESTAMP:
            raise MockhubError(f"the clock cannot go beyond {format_timestamp(MAX_TIMESTAMP)}")
        if timestamp < self._now:
            raise MockhubError(
                f"the clock stands at {format_timestamp(self._now)} and cannot go back to {format_timestamp(timestamp)}"  # noqa: E501
            )
        self._now = timestamp
        for listener in tuple(self.listeners):
            listener()


def copy_clock(clock: Clock) -> Clock:
    """A clock that tells the same time and goes its own way."""
    if isinstance(clock, ManualClock):
        return ManualClock(clock.now(), mode=clock.mode)
    return SystemClock()

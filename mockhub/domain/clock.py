"""Clocks: the system's, or one that a test moves; whole milliseconds since 1970 in UTC."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal, Protocol

from mockhub._timestamps import format_timestamp, parse_timestamp
from mockhub.exceptions import MockhubError

ClockMode = Literal["autojump", "hold"]

# The latest time of a clock; what is due ten years later can still be formatted.
MAX_TIMESTAMP = 221_845_392_000_000  # 9000-01-01


class Clock(Protocol):
    """What a hub needs of a clock."""

    listeners: list[Callable[[], None]]  # called when it is moved

    def now(self) -> int: ...


class SystemClock:
    """The system's clock, which cannot be moved."""

    def __init__(self) -> None:
        self.listeners: list[Callable[[], None]] = []

    def now(self) -> int:
        """Return milliseconds since 1970."""
        return time.time_ns() // 1_000_000


class ManualClock:
    """A clock that moves only when a test moves it, or when a request waits for a time.

    In the mode *autojump* a request that waits moves the clock to the time it waits for. In the
    mode *hold* it waits until the clock is moved. A time later than MAX_TIMESTAMP raises
    MockhubError.
    """

    def __init__(self, now: int, *, mode: ClockMode = "autojump") -> None:
        _check_bound(now)
        self._now = now
        self.mode = mode
        self.listeners: list[Callable[[], None]] = []

    def now(self) -> int:
        """Return milliseconds since 1970."""
        return self._now

    def advance(self, milliseconds: int) -> None:
        """Move forward; raises MockhubError for a negative number."""
        self.set(self._now + milliseconds)

    def set(self, timestamp: int) -> None:
        """Move to a time, in milliseconds since 1970.

        Raises:
            MockhubError: if it is in the past, or later than MAX_TIMESTAMP.
        """
        _check_bound(timestamp)
        if timestamp < self._now:
            raise MockhubError(
                f"the clock stands at {format_timestamp(self._now)} "
                f"and cannot go back to {format_timestamp(timestamp)}"
            )
        self._now = timestamp
        for listener in tuple(self.listeners):
            listener()


def parse_clock_time(text: str) -> int:
    """Parse the time of a manual clock; raises MockhubError, also if it is later than allowed."""
    timestamp = parse_timestamp(text)
    _check_bound(timestamp)
    return timestamp


def _check_bound(timestamp: int) -> None:
    if timestamp > MAX_TIMESTAMP:
        raise MockhubError(f"the clock cannot go beyond {format_timestamp(MAX_TIMESTAMP)}")


def copy_clock(clock: Clock) -> Clock:
    """Return an independent clock with the same time and mode, and no listeners."""
    if isinstance(clock, ManualClock):
        return ManualClock(clock.now(), mode=clock.mode)
    return SystemClock()

"""Time: whole milliseconds since 1970 in UTC, from the system or from the test's hand."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Literal, Protocol

from mockhub.spec.errors import MockhubError

SECOND = 1000

Manner = Literal["jump", "hold"]

_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)?")
_UNITS = {"ms": 1, "s": SECOND, "m": 60 * SECOND, "h": 3600 * SECOND, "d": 86_400 * SECOND}
_LONGEST = 3650 * _UNITS["d"]
_SHOWN = 40

# The latest moment that a clock may show; what falls due ten years later can still be written.
LATEST = 221_845_392_000_000  # 9000-01-01


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

    In the *jump* manner whoever waits for a moment moves the clock there; in the *hold* manner the
    wait lasts until somebody else does.
    """

    def __init__(self, now: int, *, manner: Manner = "jump") -> None:
        self._now = now
        self.manner = manner
        self.listeners: list[Callable[[], None]] = []

    def now(self) -> int:
        """Milliseconds since 1970."""
        return self._now

    def advance(self, milliseconds: int) -> None:
        """Move on; time does not run backwards."""
        self.set(self._now + milliseconds)

    def set(self, moment: int) -> None:
        """Move to a moment, in milliseconds since 1970.

        Raises:
            MockhubError: if it lies in the past, or too far ahead to be written down.
        """
        if moment > LATEST:
            raise MockhubError(f"the clock cannot go beyond {to_text(LATEST)}")
        if moment < self._now:
            raise MockhubError(
                f"the clock stands at {to_text(self._now)} and cannot go back to {to_text(moment)}"
            )
        self._now = moment
        for listener in tuple(self.listeners):
            listener()


def forked(clock: Clock) -> Clock:
    """A clock that tells the same time and goes its own way."""
    if isinstance(clock, ManualClock):
        return ManualClock(clock.now(), manner=clock.manner)
    return SystemClock()


def to_text(moment: int) -> str:
    """ISO 8601 in UTC with milliseconds and Z, as the documentation writes it (GEN-8)."""
    return f"{_to_the_second(moment // SECOND)}.{moment % SECOND:03}Z"


@lru_cache(maxsize=256)
def _to_the_second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat()


def from_text(text: str) -> int:
    """Read an ISO 8601 time with its zone.

    Raises:
        MockhubError: if *text* is something else.
    """
    try:
        stamp = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        stamp = None
    if stamp is None or stamp.tzinfo is None:
        raise MockhubError(f"{text!r} is not a time; expected one such as 2026-04-30T08:00:00Z")
    return round(stamp.timestamp() * SECOND)


def duration(text: str | float) -> int:
    """Read a duration, ``800s``, ``150ms``, ``2m``, ``1h``, ``30d`` or seconds, as milliseconds.

    Raises:
        MockhubError: if *text* is something else.
    """
    match = _DURATION.fullmatch(str(text))
    if match is None:
        shown = str(text)[:_SHOWN]
        raise MockhubError(f"{shown!r} is not a duration; expected one such as 2s, 150ms or 10m")
    milliseconds = float(match[1]) * _UNITS[match[2] or "s"]
    if milliseconds > _LONGEST:
        raise MockhubError(f"{str(text)[:_SHOWN]!r} is too long; expected at most 3650d")
    return round(milliseconds)

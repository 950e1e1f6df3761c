"""Format and parse ISO 8601 timestamps and durations."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache

from mockhub.exceptions import MockhubError

SECOND = 1000  # in milliseconds, the unit of every timestamp and duration

_DURATION_PATTERN = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)?")
_UNITS = {"ms": 1, "s": SECOND, "m": 60 * SECOND, "h": 3600 * SECOND, "d": 86_400 * SECOND}
_MAX_DURATION = 3650 * _UNITS["d"]
_MAX_SHOWN_CHARS = 40


def format_timestamp(timestamp: int) -> str:
    """Format as ISO 8601 in UTC, with milliseconds and Z (GEN-8)."""
    return f"{_format_seconds(timestamp // SECOND)}.{timestamp % SECOND:03}Z"


@lru_cache(maxsize=256)
def _format_seconds(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat()


def parse_timestamp(text: str) -> int:
    """Parse an ISO 8601 time with a time zone.

    Raises:
        MockhubError: for any other text.
    """
    try:
        parsed = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        parsed = None
    if parsed is None or parsed.tzinfo is None:
        raise MockhubError(f"{text!r} is not a time; expected one such as 2026-04-30T08:00:00Z")
    return round(parsed.timestamp() * SECOND)


def parse_duration(text: str | float) -> int:
    """Parse seconds, or a duration such as ``150ms``, ``2m``, ``1h`` or ``30d``.

    Returns:
        Milliseconds.

    Raises:
        MockhubError: for any other text, and above 3650 days.
    """
    match = _DURATION_PATTERN.fullmatch(str(text))
    if match is None:
        shown = str(text)[:_MAX_SHOWN_CHARS]
        raise MockhubError(f"{shown!r} is not a duration; expected one such as 2s, 150ms or 10m")
    milliseconds = float(match[1]) * _UNITS[match[2] or "s"]
    if milliseconds > _MAX_DURATION:
        raise MockhubError(f"{str(text)[:_MAX_SHOWN_CHARS]!r} is too long; expected at most 3650d")
    return round(milliseconds)

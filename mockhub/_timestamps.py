"""Format and parse ISO 8601 timestamps and durations."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from mockhub._text import format_value
from mockhub.exceptions import MockhubError

SECOND = 1000  # in milliseconds, the unit of every timestamp and duration

_FIRST_TIMESTAMP = -62_135_596_800_000  # 0001-01-01T00:00:00.000Z
_LAST_TIMESTAMP = 253_402_300_799_999  # 9999-12-31T23:59:59.999Z

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
        MockhubError: for any other text, and for a time outside of the years 1 to 9999 in UTC.
    """
    try:
        parsed = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        parsed = None
    if parsed is None or parsed.tzinfo is None:
        raise MockhubError(
            f"{_shortened(text)} is not a time; expected one such as 2026-04-30T08:00:00Z"
        )
    timestamp = round(parsed.timestamp() * SECOND)
    if not _FIRST_TIMESTAMP <= timestamp <= _LAST_TIMESTAMP:
        raise MockhubError(f"{_shortened(text)} is out of range; expected a year from 1 to 9999")
    return timestamp


def format_duration(milliseconds: int) -> str:
    """Write a duration in the largest unit that divides it, such as ``2h`` or ``1500ms``."""
    unit, size = next(one for one in reversed(_UNITS.items()) if milliseconds % one[1] == 0)
    return f"{milliseconds // size}{unit}"


def parse_duration(value: str | float | timedelta) -> int:
    """Parse seconds, a timedelta, or a duration such as ``150ms``, ``2m``, ``1h`` or ``30d``.

    Returns:
        Milliseconds.

    Raises:
        MockhubError: for any other text, if it is negative, and above 3650 days.
    """
    milliseconds = _to_milliseconds(value)
    if milliseconds is None or milliseconds < 0:
        raise MockhubError(
            f"{_shortened(value)} is not a duration; expected one such as 2s, 150ms or 10m"
        )
    if milliseconds > _MAX_DURATION:
        raise MockhubError(f"{_shortened(value)} is too long; expected at most 3650d")
    return round(milliseconds)


def _to_milliseconds(value: object) -> float | None:
    if isinstance(value, timedelta):
        return value / timedelta(milliseconds=1)
    if type(value) is int:
        return value * SECOND
    match = _DURATION_PATTERN.fullmatch(str(value))
    return float(match[1]) * _UNITS[match[2] or "s"] if match else None


def _shortened(value: object) -> str:
    text = value if isinstance(value, str) else format_value(value).strip('"')
    return repr(text[:_MAX_SHOWN_CHARS])

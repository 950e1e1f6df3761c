"""Timestamps: ISO 8601 in UTC (GEN-8)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from mockhub.verify.assertions import require_timestamp
from mockhub.verify.check import check
from mockhub.verify.context import CheckContext
from mockhub.verify.exchange import Exchange
from mockhub.verify.generation_assertions import completed_generations
from mockhub.verify.outcomes import Failed

_QUARTER_HOUR, _DAY, _TOLERANCE = 900, 24 * 3600, 8  # seconds


@check("GEN-8", fixtures=("example", "example_form", "example_async", "several_async"))
def generate_returns_utc_timestamps(context: CheckContext) -> None:
    """Timestamps are ISO 8601 in UTC."""
    for generation in completed_generations(
        context, ("example", "example_form", "example_async", "several_async")
    ):
        for exchange in (generation.exchange, *generation.polls):
            for name, value in _timestamps(exchange):
                _assert_utc(require_timestamp(value, name, exchange), exchange)


def _assert_utc(created_at: datetime, exchange: Exchange) -> None:
    """A time that is wrong by whole quarters of an hour is that of a zone, called UTC.

    It may be ahead or behind, and wrong by up to a day where the hour was moved without the day.
    A clock that differs otherwise is the implementation's own affair: mocks have such clocks.
    """
    offset = created_at.timestamp() - exchange.received_at
    quarters = round(offset / _QUARTER_HOUR)
    if quarters and abs(offset) < _DAY and abs(offset - quarters * _QUARTER_HOUR) < _TOLERANCE:
        raise Failed(
            f"created_at is {quarters / 4:g} hours from the time of the answer",
            exchange,
            expected="the time in UTC",
        )


def _timestamps(exchange: Exchange) -> list[tuple[str, Any]]:
    try:
        body = exchange.parse_json()
    except ValueError:
        return []
    if not isinstance(body, dict) or exchange.status >= 400:
        return []
    timestamps = [("created_at", body["created_at"])] if "created_at" in body else []
    images = body.get("images")
    for image in images if isinstance(images, list) else []:
        if isinstance(image, dict) and "created_at" in image:
            timestamps.append(("images.created_at", image["created_at"]))
    return timestamps

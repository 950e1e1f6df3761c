"""Timestamps: ISO 8601 in UTC (GEN-8)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from mockhub.verify.assertions import balance_object, expect, require_timestamp
from mockhub.verify.check import check
from mockhub.verify.context import CheckContext
from mockhub.verify.exchange import Exchange
from mockhub.verify.fixtures import SAVED_FIXTURES
from mockhub.verify.generation import ObservedGeneration
from mockhub.verify.generation_assertions import completed_generations
from mockhub.verify.outcomes import Failed

_DATED_FIXTURES = (*SAVED_FIXTURES, "failure_async")
_QUARTER_HOUR, _DAY, _TOLERANCE = 900, 24 * 3600, 8  # seconds


@check("GEN-8", fixtures=_DATED_FIXTURES)
def generate_returns_utc_timestamps(context: CheckContext) -> None:
    """Return timestamps in ISO 8601 and UTC."""
    for generation in _accepted_generations(context):
        for exchange in (generation.exchange, *generation.polls):
            for name, value in _timestamps(exchange):
                _assert_utc(require_timestamp(value, name, exchange), exchange)


def _accepted_generations(context: CheckContext) -> list[ObservedGeneration]:
    """Return the generations so far, also those that have failed."""
    list(completed_generations(context, _DATED_FIXTURES))
    return [generation for generation in context.history if generation.accepted]


def _assert_utc(created_at: datetime, exchange: Exchange) -> None:
    """Require that a timestamp is not the local time of another time zone.

    Local times differ from UTC by whole quarters of an hour, at most by a day where the date is
    wrong. Any other difference is a clock that differs from ours, which mocks may have.
    """
    offset = created_at.timestamp() - exchange.received_at
    quarters = round(offset / _QUARTER_HOUR)
    if quarters and abs(offset) < _DAY and abs(offset - quarters * _QUARTER_HOUR) < _TOLERANCE:
        raise Failed(
            f"created_at differs from the time of the response by {quarters / 4:g} hours",
            exchange,
            expected="the time in UTC",
        )


@check("GEN-8", "CRD-1", level="inferred", fixtures=_DATED_FIXTURES)
def timestamps_are_plausible(context: CheckContext) -> None:
    """Return the time of the request as created_at, and no expiration of credits in the past."""
    for generation in _accepted_generations(context):
        for exchange in (generation.exchange, *generation.polls):
            for name, value in _timestamps(exchange):
                created_at = require_timestamp(value, name, exchange).timestamp()
                if abs(created_at - exchange.received_at) > _DAY:
                    raise Failed(f"{name} is {value!r}", exchange, expected="the current time")
    for role in context.starting_balances:
        _assert_expiration_to_come(context.client.get("credits", role))


def _assert_expiration_to_come(exchange: Exchange) -> None:
    expiration = balance_object(expect(exchange, 200), exchange).get("next_expiration")
    if isinstance(expiration, str):
        expires_at = require_timestamp(expiration, "next_expiration", exchange).timestamp()
        if expires_at < exchange.received_at - _QUARTER_HOUR:
            message = f"next_expiration is {expiration!r}, in the past"
            raise Failed(message, exchange, expected="a time in the future", clause="CRD-1")


def _timestamps(exchange: Exchange) -> Iterator[tuple[str, object]]:
    if exchange.status >= 400:
        return
    body = exchange.json_object
    if "created_at" in body:
        yield "created_at", body["created_at"]
    images = body.get("images")
    for image in images if isinstance(images, list) else []:
        if isinstance(image, dict) and "created_at" in image:
            yield "images.created_at", image["created_at"]

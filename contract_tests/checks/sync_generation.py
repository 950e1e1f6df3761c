"""Synchronous generation: the answer, its images, its price."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from mockhub.verify import oracle
from mockhub.verify.assertions import (
    assert_common_fields,
    assert_equal,
    assert_image_fields,
    expect,
    require_field,
    require_response,
    require_timestamp,
)
from mockhub.verify.check import check
from mockhub.verify.context import CheckContext
from mockhub.verify.exchange import Exchange
from mockhub.verify.generation import ObservedGeneration
from mockhub.verify.outcomes import CheckOutcome, Failed, Inconclusive, Skipped

from .request_fields import assert_accepted

_RATIO_PATTERN = re.compile("auto|[0-9]+:[0-9]+")
_QUARTER_HOUR, _DAY, _TOLERANCE = 900, 24 * 3600, 8  # seconds
SYNC_FIXTURES = (
    "example",
    "portrait",
    "auto",
    "two_k",
    "four_k",
    "example_form",
    "plain_form",
    "three",
    "many_references",
)
ALL_FIXTURES = (*SYNC_FIXTURES, "example_async", "several_async")


def completed_generations(
    context: CheckContext, names: tuple[str, ...]
) -> Iterator[ObservedGeneration]:
    """The generations of *names* that were accepted and ended.

    What could not be made is told at the end, when the others have been judged.
    """
    deferred: CheckOutcome | None = None
    found_any = False
    for name in names:
        try:
            generation = context.generation(name)
            require_response(generation.exchange)
        except (Inconclusive, Skipped) as outcome:
            deferred = deferred or outcome
            continue
        if generation.accepted and (generation.exchange.status == 200 or generation.finished):
            found_any = True
            yield generation
    if deferred:
        raise deferred
    if not found_any:
        raise Inconclusive("no generation succeeded", context.generation(names[0]).exchange)


@check("GEN-1", "END-3", fixtures=("example", "portrait", "example_form"))
def generate_waits_for_completion(context: CheckContext) -> None:
    """Without async, or with async false, the answer is 200 and its status succeeded."""
    for name in ("example", "example_form", "portrait"):
        assert_accepted(context, name)
        generation = context.generation(name)
        if generation.exchange.status == 400:
            continue
        assert_equal(200, generation.exchange.status, "the status", generation.exchange)
        assert_equal(
            "succeeded",
            expect(generation.exchange, 200).get("status"),
            "status",
            generation.exchange,
        )


@check("GEN-2", fixtures=SYNC_FIXTURES)
def generate_returns_documented_fields(context: CheckContext) -> None:
    """The answer has object, id, model, aspect_ratio, quality, images, usage and balance."""
    for generation in completed_generations(context, SYNC_FIXTURES):
        assert_common_fields(
            expect(generation.exchange, generation.exchange.status), generation.exchange
        )
        require_field(generation.body, "balance", dict, generation.exchange)
        require_field(generation.body, "usage.credits", int, generation.exchange)


@check("GEN-3", fixtures=ALL_FIXTURES)
def generate_returns_n_images(context: CheckContext) -> None:
    """n images for n requested, each {id, object: image, url, created_at}, and none twice."""
    for generation in completed_generations(context, ALL_FIXTURES):
        images = require_field(generation.final_body, "images", list, generation.final_exchange)
        assert_equal(generation.n, len(images), "the number of images", generation.final_exchange)
        assert_image_fields(images, generation.final_exchange)


@check("GEN-4", fixtures=("example", "portrait", "example_form", "example_async"))
def generate_returns_tier_as_quality(context: CheckContext) -> None:
    """quality in the answer is the tier: 1024x1024 with quality high is 1K."""
    for generation in completed_generations(
        context, ("example", "portrait", "example_form", "example_async")
    ):
        for body, exchange in (
            (generation.body, generation.exchange),
            (generation.final_body, generation.final_exchange),
        ):
            quality = require_field(body, "quality", str, exchange)
            if quality not in oracle.TIERS or (generation.size == "1024x1024" and quality != "1K"):
                raise Failed(f"quality is {quality!r}", exchange, expected="quality: 1K")


@check("GEN-5", fixtures=ALL_FIXTURES)
def generate_returns_aspect_ratio(context: CheckContext) -> None:
    """aspect_ratio in the answer is the ratio of the size: 1024x1024 is 1:1."""
    for generation in completed_generations(context, ALL_FIXTURES):
        for body, exchange in (
            (generation.body, generation.exchange),
            (generation.final_body, generation.final_exchange),
        ):
            ratio = require_field(body, "aspect_ratio", str, exchange)
            if generation.size != "auto" and not oracle.same_ratio(generation.size, ratio):
                raise Failed(
                    f"{generation.size} is {ratio!r}", exchange, expected="the ratio of the size"
                )
            if generation.size == "1024x1024":
                assert_equal("1:1", ratio, "aspect_ratio", exchange)
            if generation.size == "auto" and not _RATIO_PATTERN.fullmatch(ratio):
                raise Failed(f"aspect_ratio is {ratio!r}", exchange, expected="auto or a ratio")


@check("GEN-6", "MOD-3", fixtures=ALL_FIXTURES)
def generate_costs_tier_price_per_image(context: CheckContext) -> None:
    """usage.credits is the number of images times the credits of the tier."""
    for generation in completed_generations(context, ALL_FIXTURES):
        reported_cost = require_field(
            generation.final_body, "usage.credits", int, generation.final_exchange
        )
        tier = require_field(generation.final_body, "quality", str, generation.final_exchange)
        tier_price = oracle.prices().get("1K" if generation.size == "1024x1024" else tier)
        if tier_price is None:
            raise Failed(f"quality is {tier!r}", generation.final_exchange, expected="1K, 2K or 4K")
        assert_equal(
            generation.n * tier_price,
            reported_cost,
            f"usage.credits of {generation.n} at {tier}",
            generation.final_exchange,
        )


@check("MOD-4", fixtures=("auto",))
def generate_defaults_to_1k(context: CheckContext) -> None:
    """A request for size auto is of the default quality, 1K."""
    generation = context.completed("auto")
    assert_equal(
        "1K",
        require_field(generation.final_body, "quality", str, generation.final_exchange),
        "quality",
        generation.final_exchange,
    )


@check("GEN-7", "CRD-2", fixtures=SYNC_FIXTURES)
def generate_returns_balance(context: CheckContext) -> None:
    """balance in the answer is the balance after this charge, in the documented shape."""
    for generation in completed_generations(context, SYNC_FIXTURES):
        exchange = generation.exchange
        reported_balance = require_field(
            expect(exchange, generation.exchange.status), "balance.credits", int, exchange
        )
        require_field(generation.body, "balance.account_type", str, exchange, allow_empty=False)
        assert_expiration(require_field(generation.body, "balance", dict, exchange), exchange)
        if (
            generation.measured_alone
            and generation.balance_before is not None
            and generation.reported_cost is not None
        ):
            assert_equal(
                generation.balance_before - generation.reported_cost,
                reported_balance,
                "balance.credits",
                exchange,
            )
        if generation.measured_alone and generation.balance_after is not None:
            assert_equal(
                generation.balance_after,
                reported_balance,
                "balance.credits beside GET /credits",
                exchange,
            )


def assert_expiration(balance: dict[str, Any], exchange: Exchange) -> None:
    """Hold next_expiration to a moment or null; the page shows only null."""
    if "next_expiration" not in balance:
        raise Failed("next_expiration is missing", exchange, expected="a timestamp or null")
    next_expiration = balance["next_expiration"]
    if next_expiration is None:
        return
    try:
        datetime.fromisoformat(next_expiration)
    except (TypeError, ValueError):
        raise Failed(
            f"next_expiration is {next_expiration!r}", exchange, expected="a timestamp or null"
        ) from None


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


# What the page leaves open.


@check("GEN-10", fixtures=ALL_FIXTURES)
def generate_serves_images(context: CheckContext) -> None:
    """Image URLs are absolute, need no key, and serve an image of the requested size."""
    from mockhub.verify.image_size import image_size

    for generation in completed_generations(context, ALL_FIXTURES):
        images = require_field(generation.final_body, "images", list, generation.final_exchange)
        if len(
            {require_field(image, "url", str, generation.final_exchange) for image in images}
        ) < len(images):
            raise Failed(
                "two images have one address", generation.final_exchange, expected="one each"
            )
        for image in images:
            exchange = context.client.get(
                require_field(image, "url", str, generation.final_exchange), key=None
            )
            if not image["url"].startswith(("http://", "https://")) or exchange.status != 200:
                raise Failed(
                    "the image cannot be fetched",
                    exchange,
                    generation.final_exchange,
                    expected="HTTP 200",
                )
            actual_size = image_size(exchange.content)
            expected_size = oracle.dimensions_of(generation.size)
            if actual_size is None or (expected_size is not None and actual_size != expected_size):
                raise Failed(
                    f"the image is {actual_size}",
                    exchange,
                    generation.final_exchange,
                    expected=f"{expected_size}",
                )


@check("GEN-11", fixtures=ALL_FIXTURES)
def generate_returns_unique_image_ids(context: CheckContext) -> None:
    """Image ids are unique, within a generation and across them."""
    seen: dict[str, ObservedGeneration] = {}
    for generation in completed_generations(context, ALL_FIXTURES):
        for image in require_field(
            generation.final_body, "images", list, generation.final_exchange
        ):
            image_id = require_field(image, "id", str, generation.final_exchange)
            if image_id in seen:
                raise Failed(
                    f"the image id {image_id!r} comes twice",
                    generation.final_exchange,
                    seen[image_id].final_exchange,
                )
            seen[image_id] = generation


@check(
    "GEN-12",
    fixtures=("example", "portrait", "auto", "two_k", "four_k", "above_1k", "above_2k", "wide"),
)
def generate_derives_tier_from_pixels(context: CheckContext) -> None:
    """Up to 1536x1024 is 1K, up to 2048x2048 is 2K, beyond is 4K."""
    for name in (
        "example",
        "portrait",
        "auto",
        "two_k",
        "four_k",
        "above_1k",
        "above_2k",
        "wide",
    ):
        assert_accepted(context, name)
        generation = context.completed(name)
        tier = require_field(generation.final_body, "quality", str, generation.final_exchange)
        assert_equal(
            oracle.tier_of(generation.size),
            tier,
            f"quality of {generation.size}",
            generation.final_exchange,
        )


@check("GEN-5", level="inferred", fixtures=("wide", "auto"))
def generate_returns_listed_ratio(context: CheckContext) -> None:
    """2688x1152 is 21:9, as listed."""
    generation = context.completed("wide")
    assert_equal(
        "21:9",
        require_field(generation.final_body, "aspect_ratio", str, generation.final_exchange),
        "aspect_ratio",
        generation.final_exchange,
    )

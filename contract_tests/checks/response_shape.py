"""The response of a generation: fields, images, tier, ratio, cost, balance (GEN-2 to 7, 12)."""

from __future__ import annotations

import re

from mockhub.verify import oracle
from mockhub.verify.assertions import (
    assert_common_fields,
    assert_equal,
    assert_expiration,
    assert_image_fields,
    expect,
    require_field,
)
from mockhub.verify.check import check
from mockhub.verify.context import CheckContext
from mockhub.verify.fixtures import ALL_FIXTURES, SYNC_FIXTURES
from mockhub.verify.generation_assertions import assert_accepted, completed_generations
from mockhub.verify.outcomes import Failed

_RATIO_PATTERN = re.compile("auto|[0-9]+:[0-9]+")


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

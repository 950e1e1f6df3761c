"""The response of a generation: fields, images, tier, ratio, cost, balance (GEN-2 to 7, 12)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import unquote, urlsplit

from mockhub.verify import oracle
from mockhub.verify.assertions import (
    assert_common_fields,
    assert_equal,
    assert_expiration,
    assert_image_fields,
    expect,
    require_field,
    response_balance,
)
from mockhub.verify.charge_assertions import assert_consistent
from mockhub.verify.check import check
from mockhub.verify.context import CheckContext
from mockhub.verify.exchange import Exchange, JsonObject
from mockhub.verify.fixtures import ALL_FIXTURES, SAVED_FIXTURES
from mockhub.verify.generation import ObservedGeneration
from mockhub.verify.generation_assertions import (
    assert_accepted,
    assert_final,
    assert_image_count,
    assert_ratio_of_response,
    completed_generations,
    failed_tasks,
    require_final,
    responses_to,
    synchronous_generations,
)
from mockhub.verify.outcomes import CheckOutcome, Failed

_ACCEPTED = 202

_TIER_FIXTURES = (
    "example",
    "portrait",
    "auto",
    "two",
    "three",
    "four",
    "above_1k",
    "above_2k",
)


@check("GEN-2", "GEN-3", "GEN-4", "GEN-6", "GEN-7", fixtures=SAVED_FIXTURES, last=True)
def generate_returns_documented_fields(context: CheckContext) -> None:
    """Return object, id, model, aspect_ratio, quality, images, usage and balance every time."""
    list(synchronous_generations(context))
    for exchange in responses_to(context, "POST images", 200):
        body = expect(exchange, 200)
        _assert_result(body, exchange)
        require_field(body, "balance", dict, exchange)
        _require_balance(body, exchange)


def _require_balance(body: JsonObject, exchange: Exchange) -> int:
    """Return the credits of the balance in a response, which has all documented fields."""
    credits = response_balance(body, exchange)
    require_field(body, "balance.account_type", str, exchange, allow_empty=False)
    assert_expiration(body["balance"], exchange)
    return credits


def _assert_result(body: JsonObject, exchange: Exchange) -> None:
    """Require the fields of a generation that has images, and the cost of these images."""
    assert_common_fields(body, exchange)
    images = require_field(body, "images", list, exchange)
    if not images:
        raise Failed("there are no images", exchange, expected="the images", clause="GEN-3")
    assert_image_fields(images, exchange)
    credits = require_field(body, "usage.credits", int, exchange)
    tier_price = oracle.prices().get(body["quality"])
    if tier_price is None:
        expected = f"quality: {', '.join(oracle.TIERS)}"
        raise Failed(f"quality is {body['quality']!r}", exchange, expected=expected, clause="GEN-4")
    what = f"usage.credits of {len(images)} at {body['quality']}"
    assert_equal(credits, len(images) * tier_price, what, exchange, clause="GEN-6")


@check("RET-1", fixtures=SAVED_FIXTURES, last=True, pays_nothing=True)
def retrieve_returns_consistent_log(context: CheckContext) -> None:
    """Return to its owner the generation of the id, on every read, with the fields of the first."""
    created: dict[object, Exchange] = {}
    for exchange in responses_to(context, "POST images", 200, 202):
        created[exchange.json_object.get("id")] = exchange
    for exchange in responses_to(context, "GET generations", 200, 404):
        id = unquote(urlsplit(exchange.request.url).path.rpartition("/")[2])
        if (first := created.get(id)) is None or not _same_key(exchange, first):
            continue
        body, before = expect(exchange, 200), first.json_object
        assert_equal(body.get("id"), id, "id", exchange, first)
        if (status := require_field(body, "status", str, exchange)) == "succeeded":
            _assert_result(body, exchange)
        for name in ("quality", "aspect_ratio"):
            # Which fields a task has that has not succeeded is an open point.
            value = body[name] if status == "succeeded" else body.get(name)
            if before.get(name) != "auto" and value is not None:
                assert_equal(value, before.get(name), name, exchange, first)


def _same_key(one: Exchange, other: Exchange) -> bool:
    name = "Authorization"
    return one.request.headers.get(name) == other.request.headers.get(name)


@check("GEN-3", fixtures=ALL_FIXTURES)
def generate_returns_n_images(context: CheckContext) -> None:
    """Return n different images, each {id, object: image, url, created_at}."""
    for generation in completed_generations(context, ALL_FIXTURES):
        assert_image_fields(assert_image_count(generation), generation.final_exchange)


@check("GEN-3", "GEN-6", fixtures=SAVED_FIXTURES, last=True)
def generations_are_consistent(context: CheckContext) -> None:
    """Return images and a cost as requested for each generation, whichever check made it."""
    for generation in context.history:
        is_failure = generation.fixture.trigger == "provider_failure" or not generation.final_body
        has_failed = generation.final_body.get("status") == "failed"
        ended = generation.exchange.status == 200 or generation.finished
        if ended and not is_failure and not has_failed:
            assert_consistent(context, generation)


@check("GEN-4", fixtures=SAVED_FIXTURES)
def generate_returns_tier_as_quality(context: CheckContext) -> None:
    """Return the tier as quality: 1024x1024 with quality high is 1K."""
    for generation, body, exchange in _first_and_final(context):
        quality = require_field(body, "quality", str, exchange)
        if quality not in oracle.TIERS or (generation.size == "1024x1024" and quality != "1K"):
            raise Failed(f"quality is {quality!r}", exchange, expected="quality: 1K")


@check("GEN-5", fixtures=SAVED_FIXTURES)
def generate_returns_aspect_ratio(context: CheckContext) -> None:
    """Return the ratio of the size as aspect_ratio: 1024x1024 is 1:1."""
    for generation, body, exchange in _first_and_final(context):
        assert_ratio_of_response(generation.size, body, exchange)


def _first_and_final(
    context: CheckContext, names: tuple[str, ...] = SAVED_FIXTURES
) -> Iterator[tuple[ObservedGeneration, JsonObject, Exchange]]:
    """Iterate over generations and their responses: of those that fail, only the 202.

    The tasks so far come first, so that they are judged even if nothing more can be paid for.
    """
    with suppress(CheckOutcome):
        if context.profile.provider_failure:
            context.generate_failures()
    for task in tuple(context.history):
        if task.exchange.status == _ACCEPTED:
            yield task, task.body, task.exchange
    for one in completed_generations(context, names):
        yield one, one.body, one.exchange
        yield one, one.final_body, one.final_exchange
    if context.profile.provider_failure:
        failed_tasks(context)


@check("GEN-6", "MOD-3", fixtures=ALL_FIXTURES)
def generate_costs_tier_price_per_image(context: CheckContext) -> None:
    """Charge the price of the tier for each image, and return the sum as usage.credits."""
    for generation in completed_generations(context, ALL_FIXTURES):
        tier, exchange = require_final(generation, "quality", str), generation.final_exchange
        tier_price = oracle.prices().get("1K" if generation.size == "1024x1024" else tier)
        if tier_price is None:
            raise Failed(f"quality is {tier!r}", exchange, expected="1K, 2K or 4K")
        cost = require_final(generation, "usage.credits", int)
        what = f"usage.credits of {generation.n} at {tier}"
        assert_equal(cost, generation.n * tier_price, what, exchange)


@check("GEN-7", "CRD-2", fixtures=SAVED_FIXTURES)
def generate_returns_balance(context: CheckContext) -> None:
    """Return the balance after the charge, in the documented shape, also while a task runs."""
    for generation in synchronous_generations(context):
        exchange = generation.exchange
        body = expect(exchange, exchange.status)
        reported = _require_balance(body, exchange)
        if not generation.measured_alone:
            continue
        before, after, cost = (
            generation.balance_before,
            generation.balance_after,
            generation.reported_cost,
        )
        if before is not None and cost is not None:
            assert_equal(reported, before - cost, "balance.credits", exchange)
        if after is not None:
            assert_equal(reported, after, "balance.credits compared with GET /credits", exchange)


@check("GEN-12", fixtures=_TIER_FIXTURES)
def generate_derives_tier_from_pixels(context: CheckContext) -> None:
    """Return 1K for sizes up to 1536x1024, 2K up to 2048x2048, and 4K for larger ones."""
    for generation, body, exchange in _first_and_final(context, _TIER_FIXTURES):
        tier = require_field(body, "quality", str, exchange)
        what = f"quality of {generation.size}"
        assert_equal(tier, oracle.tier_of(generation.size), what, exchange)
    for name in _TIER_FIXTURES:
        assert_accepted(context, name)
        context.completed(name)


@check("GEN-5", level="inferred", fixtures=("above_1k", "auto"))
def generate_returns_listed_ratio(context: CheckContext) -> None:
    """Return 21:9, the listed ratio, for 2016x864."""
    assert_final(context.completed("above_1k"), "aspect_ratio", "21:9")

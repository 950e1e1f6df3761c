"""Saved generations are read back unchanged (RET-1, RET-4)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import product

from mockhub.spec.operations import OperationId
from mockhub.verify.assertions import (
    assert_common_fields,
    assert_distinct_generations,
    assert_equal,
    assert_image_fields,
    assert_matches_schema,
    expect,
    require_field,
)
from mockhub.verify.check import check
from mockhub.verify.context import CheckContext
from mockhub.verify.exchange import Exchange, JsonObject
from mockhub.verify.fixtures import SAVED_FIXTURES
from mockhub.verify.generation import ObservedGeneration, reported_credits
from mockhub.verify.generation_assertions import (
    generations_with_id,
    image_ids_and_urls,
    responses_to,
    unsigned_images,
)
from mockhub.verify.outcomes import Inconclusive


@check("RET-1", "END-4", fixtures=SAVED_FIXTURES, pays_nothing=True)
def retrieve_returns_generation(context: CheckContext) -> None:
    """Return the same id, status, tier, ratio and cost as the generation, from the start."""
    for generation in _ended(context):
        final = generation.final_body
        first_reads = [generation.first_read] if generation.first_read else []
        for exchange in (*first_reads, *_read_twice(context, generation)):
            body = expect(exchange, 200)
            assert_common_fields(body, exchange)
            for name in ("id", "status", "model", "aspect_ratio", "quality"):
                assert_equal(
                    body.get(name), final.get(name), name, exchange, generation.final_exchange
                )
            cost = require_field(body, "usage.credits", int, exchange)
            assert_equal(cost, generation.reported_cost, "usage.credits", exchange)


@check("RET-1", fixtures=SAVED_FIXTURES)
def retrieve_returns_same_images(context: CheckContext) -> None:
    """Return the images of the generation on every read."""
    for generation in _ended(context):
        final, final_exchange = generation.final_body, generation.final_exchange
        for exchange in _read_twice(context, generation):
            body = expect(exchange, 200)
            assert_image_fields(require_field(body, "images", list, exchange), exchange)
            saved, created = image_ids_and_urls(body), image_ids_and_urls(final)
            if context.documented:  # their order is an open point
                saved, created = sorted(saved, key=str), sorted(created, key=str)
            assert_equal(saved, created, "images", exchange, final_exchange)
            if not context.documented:
                _assert_same_timestamps(final, body, exchange, final_exchange)


@check("RET-1", fixtures=SAVED_FIXTURES, last=True, pays_nothing=True)
def retrieve_ids_are_unique(context: CheckContext) -> None:
    """Give every generation a unique id, whichever check made it.

    Whether a request that is sent twice makes two generations is another question.
    """
    generations_with_id(context, SAVED_FIXTURES)
    first: dict[str, Exchange] = {}
    for exchange in responses_to(context, "POST images", 200, 202):
        other = first.setdefault(str(exchange.json_object.get("id")), exchange)
        if other is not exchange and not exchange.repeats(other):
            assert_distinct_generations([other, exchange])


@check("RET-4", fixtures=SAVED_FIXTURES)
def retrieve_is_stable(context: CheckContext) -> None:
    """Return a generation that has ended unchanged on every read."""
    for generation in _ended(context):
        first, second = _read_twice(context, generation)
        _assert_same_timestamps(generation.body, expect(first, 200), first, generation.exchange)
        later, earlier = (
            {**body, "images": unsigned_images(body)}
            for body in (expect(second, 200), expect(first, 200))
        )
        assert_equal(later, earlier, "a later read", second, first)


@check("RET-1", level="inferred", fixtures=SAVED_FIXTURES)
def retrieve_matches_response_schema(context: CheckContext) -> None:
    """Return saved generations that match the response schema."""
    for generation in generations_with_id(context, SAVED_FIXTURES):
        for exchange in _read_twice(context, generation):
            assert_matches_schema(exchange, OperationId.GET_GENERATION)


@check("RET-1", fixtures=SAVED_FIXTURES, last=True, pays_nothing=True)
def retrieve_is_unchanged_at_end(context: CheckContext) -> None:
    """Return every generation with its images at the end of the run, as it was at first."""
    generations = [one for one in context.history if one.accepted and one.id and one.final_body]
    calls = [partial(context.client.get, one.path, one.payer) for one in generations]
    for generation, exchange in zip(generations, context.run_batch(calls), strict=True):
        if generation.failed_with_500:
            continue
        before, after = generation.final_body, expect(exchange, 200)
        evidence = (exchange, generation.final_exchange)
        for name in ("id", "status", "model", "aspect_ratio", "quality"):
            assert_equal(after.get(name), before.get(name), f"{name} at the end", *evidence)
        cost = reported_credits(after)
        if generation.reported_cost is not None and cost is not None:
            assert_equal(cost, generation.reported_cost, "usage.credits at the end", *evidence)
        old, new = image_ids_and_urls(before), image_ids_and_urls(after)
        assert_equal(sorted(new, key=str), sorted(old, key=str), "images at the end", *evidence)
        if not context.documented:
            _assert_same_timestamps(before, after, *evidence)


def _ended(context: CheckContext) -> Iterator[ObservedGeneration]:
    """Iterate over the generations that have ended.

    Raises:
        Inconclusive: After the last one, if a task has not ended.
    """
    unfinished = None
    for generation in generations_with_id(context, SAVED_FIXTURES):
        if generation.exchange.status == 202 and not generation.finished:
            unfinished = generation
        else:
            yield generation
    if unfinished:
        raise Inconclusive("a task has not ended", *unfinished.polls[-1:])


def _read_twice(context: CheckContext, generation: ObservedGeneration) -> list[Exchange]:
    """Return two reads of a generation, which all checks share."""
    return context.memoize("reads", partial(_read_all_twice, context))[generation.name]


def _read_all_twice(context: CheckContext) -> dict[str, list[Exchange]]:
    generations = generations_with_id(context, SAVED_FIXTURES)
    calls = [
        partial(context.client.get, one.path, one.payer) for one in generations for _ in range(2)
    ]
    found = list(context.run_batch(calls))
    return {one.name: found[2 * at : 2 * at + 2] for at, one in enumerate(generations)}


def _assert_same_timestamps(before: JsonObject, after: JsonObject, *exchanges: Exchange) -> None:
    """Require equal timestamps where two reads format them the same way."""
    pairs = [("created_at", before.get("created_at"), after.get("created_at"))]
    for first, second in product(before.get("images") or (), after.get("images") or ()):
        both = isinstance(first, dict) and isinstance(second, dict)
        if both and first.get("id") == second.get("id"):
            pairs.append(("images.created_at", first.get("created_at"), second.get("created_at")))
    for name, old, new in pairs:
        if isinstance(old, str) and isinstance(new, str) and len(old) == len(new):
            assert_equal(new, old, name, *exchanges)

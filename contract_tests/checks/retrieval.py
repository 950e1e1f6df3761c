"""Saved generations are read back unchanged (RET-1, RET-4)."""

from __future__ import annotations

from functools import partial
from typing import Any
from urllib.parse import urlsplit

from mockhub.spec.operations import OperationId
from mockhub.verify import oracle
from mockhub.verify.assertions import (
    assert_common_fields,
    assert_equal,
    assert_image_fields,
    expect,
    require_field,
)
from mockhub.verify.check import check
from mockhub.verify.context import CheckContext
from mockhub.verify.exchange import Exchange
from mockhub.verify.fixtures import READ_FIXTURES
from mockhub.verify.generation import ObservedGeneration
from mockhub.verify.generation_assertions import generations_with_id
from mockhub.verify.outcomes import Failed


@check("RET-1", "END-4", fixtures=READ_FIXTURES)
def retrieve_returns_generation(context: CheckContext) -> None:
    """The id reads back its generation: the same id, status, tier, ratio and price."""
    for generation in generations_with_id(context, READ_FIXTURES):
        for exchange in read_twice(context, generation):
            body = expect(exchange, 200)
            assert_common_fields(body, exchange)
            for name in ("id", "status", "model", "aspect_ratio", "quality"):
                assert_equal(
                    generation.final_body.get(name),
                    body.get(name),
                    name,
                    exchange,
                    generation.final_exchange,
                )
            assert_equal(
                generation.reported_cost,
                require_field(body, "usage.credits", int, exchange),
                "usage.credits",
                exchange,
            )


@check("RET-1", fixtures=READ_FIXTURES)
def retrieve_returns_same_images(context: CheckContext) -> None:
    """The saved images are those that were delivered, on every read."""
    for generation in generations_with_id(context, READ_FIXTURES):
        for exchange in read_twice(context, generation):
            images = require_field(expect(exchange, 200), "images", list, exchange)
            assert_image_fields(images, exchange)
            body = expect(exchange, 200)
            assert_equal(
                _image_ids_and_urls(generation.final_body),
                _image_ids_and_urls(body),
                "images",
                exchange,
                generation.final_exchange,
            )
            assert_same_timestamps(generation.final_body, body, exchange, generation.final_exchange)


@check("RET-1", fixtures=READ_FIXTURES)
def retrieve_ids_are_unique(context: CheckContext) -> None:
    """No two generations share an id."""
    seen: dict[str, ObservedGeneration] = {}
    for generation in generations_with_id(context, READ_FIXTURES):
        if generation.id in seen:
            raise Failed(
                f"the id {generation.id!r} was given twice", seen[generation.id].exchange, generation.exchange,  # noqa: E501
                expected="an id of its own",
            )  # fmt: skip
        seen[generation.id or ""] = generation


@check("RET-4", fixtures=READ_FIXTURES)
def retrieve_is_stable(context: CheckContext) -> None:
    """What was final stays as it was, to the letter."""
    for generation in generations_with_id(context, READ_FIXTURES):
        first, second = read_twice(context, generation)
        assert_same_timestamps(generation.body, expect(first, 200), first, generation.exchange)
        assert_equal(expect(first, 200), expect(second, 200), "a later read", second, first)


@check("RET-1", level="inferred", fixtures=READ_FIXTURES)
def retrieve_matches_response_schema(context: CheckContext) -> None:
    """A generation that is read back is as the law describes it."""
    for generation in generations_with_id(context, READ_FIXTURES):
        for exchange in read_twice(context, generation):
            for error in oracle.response_validator(OperationId.GET_GENERATION, 200).iter_errors(
                expect(exchange, 200)
            ):
                raise Failed(f"does not match the response schema: {error.message[:200]}", exchange)


def read_twice(context: CheckContext, generation: ObservedGeneration) -> list[Exchange]:
    """Two reads of a generation, some time apart and made once; the first of all are together."""
    return context.memoize("reads", partial(_read_all_twice, context))[generation.name]


def _read_all_twice(context: CheckContext) -> dict[str, list[Exchange]]:
    generations = generations_with_id(context, READ_FIXTURES)
    calls = [partial(context.client.get, one.path) for one in generations for _ in range(2)]
    found = list(context.run_batch(calls))
    return {one.name: found[2 * at : 2 * at + 2] for at, one in enumerate(generations)}


def assert_same_timestamps(
    before: dict[str, Any], after: dict[str, Any], *exchanges: Exchange
) -> None:
    """Hold what two reads tell in the same form to the same time."""
    pairs = [("created_at", before.get("created_at"), after.get("created_at"))]
    for one, two in zip(before.get("images") or (), after.get("images") or (), strict=False):
        if isinstance(one, dict) and isinstance(two, dict):
            pairs.append(("images.created_at", one.get("created_at"), two.get("created_at")))
    for name, old, new in pairs:
        if isinstance(old, str) and isinstance(new, str) and len(old) == len(new):
            assert_equal(old, new, name, *exchanges)


def _image_ids_and_urls(body: dict[str, Any]) -> list[tuple[Any, str]]:
    """Ids and addresses; a signature in the query may differ from read to read."""
    images = body.get("images")
    return [
        (image.get("id"), urlsplit(str(image.get("url")))._replace(query="", fragment="").geturl())
        for image in (images if isinstance(images, list) else [])
        if isinstance(image, dict)
    ]

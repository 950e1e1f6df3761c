"""Reading generations back, and who may."""

from __future__ import annotations

from functools import partial
from typing import Any
from urllib.parse import quote, urlsplit

from mockhub.spec.operations import OperationId
from mockhub.verify import oracle
from mockhub.verify.assertions import (
    assert_common_fields,
    assert_equal,
    assert_image_fields,
    expect,
    expect_error,
    require_field,
    require_object,
    require_response,
)
from mockhub.verify.check import check
from mockhub.verify.context import CheckContext
from mockhub.verify.exchange import Exchange
from mockhub.verify.generation import ObservedGeneration
from mockhub.verify.outcomes import Failed, Inconclusive

_UNKNOWN_IDS = (
    "clx_mockhub_no_such_generation",
    "7",
    "no-such-generation",
    "00000000-0000-4000-8000-000000000000",
    "x" * 200,
)
READ_FIXTURES = (
    "example",
    "example_form",
    "many_references",
    "portrait",
    "two_k",
    "example_async",
    "several_async",
)


def _generations_with_id(context: CheckContext, names: tuple[str, ...]) -> list[ObservedGeneration]:
    """The generations of *names* that were accepted and gave an id."""
    generations = [
        generation
        for name in names
        if (generation := context.generation(name)).accepted and generation.id
    ]
    if not generations:
        raise Inconclusive("no generation gave an id", context.generation(names[0]).exchange)
    return generations


def read_twice(context: CheckContext, generation: ObservedGeneration) -> list[Exchange]:
    """Two reads of a generation, some time apart and made once; the first of all are together."""
    return context.memoize("reads", partial(_read_all_twice, context))[generation.name]


def _read_all_twice(context: CheckContext) -> dict[str, list[Exchange]]:
    generations = _generations_with_id(context, READ_FIXTURES)
    calls = [partial(context.client.get, _path(one)) for one in generations for _ in range(2)]
    found = list(context.run_batch(calls))
    return {one.name: found[2 * at : 2 * at + 2] for at, one in enumerate(generations)}


def _path(generation: ObservedGeneration) -> str:
    return f"generations/{quote(generation.id or '', safe='')}"


@check("RET-1", "END-4", fixtures=READ_FIXTURES)
def retrieve_returns_generation(context: CheckContext) -> None:
    """The id reads back its generation: the same id, status, tier, ratio and price."""
    for generation in _generations_with_id(context, READ_FIXTURES):
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
    for generation in _generations_with_id(context, READ_FIXTURES):
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


@check("RET-1", fixtures=READ_FIXTURES)
def retrieve_ids_are_unique(context: CheckContext) -> None:
    """No two generations share an id."""
    seen: dict[str, ObservedGeneration] = {}
    for generation in _generations_with_id(context, READ_FIXTURES):
        if generation.id in seen:
            raise Failed(
                f"the id {generation.id!r} was given twice", seen[generation.id].exchange, generation.exchange,  # noqa: E501
                expected="an id of its own",
            )  # fmt: skip
        seen[generation.id or ""] = generation


@check("RET-2", "ERR-5", requires=("other",), fixtures=("example", "example_async", "example_form"))
def retrieve_is_limited_to_owner(context: CheckContext) -> None:
    """Another user's generation is 404 notFound, finished or not, like one that does not exist."""
    for generation in _generations_with_id(context, ("example", "example_form", "example_async")):
        for role in ("other", "low", "broke"):
            if role not in context.profile.keys:
                continue
            foreign_read = generation.foreign_reads.get(role)
            for exchange in (
                context.client.get(_path(generation), key=role),
                *([foreign_read] if foreign_read else []),
            ):
                expect_error(exchange, 404, "notFound")
    exchange = context.fetch(_generations_with_id(context, ("example", "example_async"))[0])
    if require_response(exchange).status != 200:
        raise Failed("the owner cannot read it any more", exchange, expected="HTTP 200")


@check("RET-2", requires=("other", "provider_failure"), fixtures=("failure_async",))
def retrieve_of_failure_is_limited_to_owner(context: CheckContext) -> None:
    """A task that failed is another user's affair no more than one that succeeded."""
    for generation in _generations_with_id(context, ("failure_async",)):
        expect_error(context.client.get(_path(generation), key="other"), 404, "notFound")


@check("RET-3", "ERR-5", fixtures=("example",))
def retrieve_rejects_unknown_id(context: CheckContext) -> None:
    """An unknown id is 404 notFound."""
    known_id = context.generation("example").id or "clx_generation_log_id"
    last = known_id[-1]
    other_last_letter = known_id[:-1] + ("q" if last != "q" else "p")
    other_last_digit = known_id[:-1] + ("7" if last != "7" else "8")
    similar_ids = (
        other_last_digit if last.isdigit() else other_last_letter,
        known_id + "x",
        known_id[:-1],
        known_id[: len(known_id) // 2],
    )
    for unknown_id in (*_UNKNOWN_IDS, *similar_ids):
        exchange = context.client.get(f"generations/{quote(unknown_id, safe='')}")
        if exchange.status == 200 and require_object(exchange).get("id") == unknown_id:
            continue  # ids that are counted; it is one from before
        expect_error(exchange, 404, "notFound")


@check("RET-3", fixtures=("example",))
def retrieve_treats_id_literally(context: CheckContext) -> None:
    """An id is taken literally: % or * finds nothing."""
    _generations_with_id(context, ("example",))
    for wildcard in ("%", "*", "_", "%_%"):
        exchange = require_response(
            context.client.get(f"generations/{quote(wildcard, safe='')}", unspecified=True)
        )
        if exchange.status == 200:
            raise Failed(
                f"the id {wildcard!r} finds a generation", exchange, expected="404 notFound"
            )


# What the page leaves open.


@check("RET-2", level="inferred", requires=("other",), fixtures=("example",))
def retrieve_hides_foreign_generations(context: CheckContext) -> None:
    """The answer to a stranger is word for word that to an unknown id."""
    generation = _generations_with_id(context, ("example",))[0]
    foreign = context.client.get(_path(generation), key="other")
    unknown = context.client.get("generations/clx_no_such_generation", key="other")
    normalized = foreign.text.replace(generation.id or "", "ID")
    assert_equal(
        unknown.text.replace("clx_no_such_generation", "ID"),
        normalized,
        "the answer",
        foreign,
        unknown,
    )


@check("RET-4", fixtures=READ_FIXTURES)
def retrieve_is_stable(context: CheckContext) -> None:
    """What was final stays as it was, to the letter."""
    for generation in _generations_with_id(context, READ_FIXTURES):
        first, second = read_twice(context, generation)
        assert_same_timestamps(generation.body, expect(first, 200), first, generation.exchange)
        assert_equal(expect(first, 200), expect(second, 200), "a later read", second, first)


@check("RET-1", level="inferred", fixtures=READ_FIXTURES)
def retrieve_matches_response_schema(context: CheckContext) -> None:
    """A generation that is read back is as the law describes it."""
    for generation in _generations_with_id(context, READ_FIXTURES):
        for exchange in read_twice(context, generation):
            for error in oracle.response_validator(OperationId.GET_GENERATION, 200).iter_errors(
                expect(exchange, 200)
            ):
                raise Failed(f"does not match the response schema: {error.message[:200]}", exchange)

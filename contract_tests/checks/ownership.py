"""Generations are read by the keys of their owner only (RET-2, RET-3, RET-5)."""

from __future__ import annotations

from urllib.parse import quote

from mockhub.verify.assertions import (
    assert_equal,
    expect,
    expect_error,
    require_object,
    require_response,
)
from mockhub.verify.check import check
from mockhub.verify.context import CheckContext
from mockhub.verify.generation_assertions import generations_with_id
from mockhub.verify.outcomes import Failed

_UNKNOWN_IDS = (
    "clx_mockhub_no_such_generation",
    "7",
    "no-such-generation",
    "00000000-0000-4000-8000-000000000000",
    "x" * 200,
)


@check("RET-2", "ERR-5", requires=("other",), fixtures=("example", "example_async", "example_form"))
def retrieve_is_limited_to_owner(context: CheckContext) -> None:
    """Another user's generation is 404 notFound, finished or not, like one that does not exist."""
    for generation in generations_with_id(context, ("example", "example_form", "example_async")):
        for role in ("other", "low", "broke"):
            if role not in context.profile.keys:
                continue
            foreign_read = generation.foreign_reads.get(role)
            for exchange in (
                context.client.get(generation.path, key=role),
                *([foreign_read] if foreign_read else []),
            ):
                expect_error(exchange, 404, "notFound")
    exchange = context.fetch(generations_with_id(context, ("example", "example_async"))[0])
    if require_response(exchange).status != 200:
        raise Failed("the owner cannot read it any more", exchange, expected="HTTP 200")


@check("RET-2", requires=("other", "provider_failure"), fixtures=("failure_async",))
def retrieve_of_failure_is_limited_to_owner(context: CheckContext) -> None:
    """A task that failed is another user's affair no more than one that succeeded."""
    for generation in generations_with_id(context, ("failure_async",)):
        expect_error(context.client.get(generation.path, key="other"), 404, "notFound")


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
    generations_with_id(context, ("example",))
    for wildcard in ("%", "*", "_", "%_%"):
        exchange = require_response(
            context.client.get(f"generations/{quote(wildcard, safe='')}", unspecified=True)
        )
        if exchange.status == 200:
            raise Failed(
                f"the id {wildcard!r} finds a generation", exchange, expected="404 notFound"
            )


@check("RET-2", level="inferred", requires=("other",), fixtures=("example",))
def retrieve_hides_foreign_generations(context: CheckContext) -> None:
    """The answer to a stranger is word for word that to an unknown id."""
    generation = generations_with_id(context, ("example",))[0]
    foreign = context.client.get(generation.path, key="other")
    unknown = context.client.get("generations/clx_no_such_generation", key="other")
    normalized = foreign.text.replace(generation.id or "", "ID")
    assert_equal(
        unknown.text.replace("clx_no_such_generation", "ID"),
        normalized,
        "the answer",
        foreign,
        unknown,
    )


@check("RET-5", requires=("state_handlers",), fixtures=("example",))
def retrieve_accepts_any_key_of_owner(context: CheckContext) -> None:
    """Any key of the owner reads a generation, not only the key that made it."""
    key = context.state_key("second_key", account="valid")
    generation = context.completed("example")
    body = expect(context.client.get(f"generations/{generation.id}", key=key), 200)
    assert_equal(generation.id, body.get("id"), "id", context.client.exchanges[-1])
    if "other" in context.profile.keys:
        foreign = context.client.get(f"generations/{generation.id}", key="other")
        expect_error(foreign, 404, "notFound")

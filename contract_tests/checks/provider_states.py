"""What only a provision can show."""

from __future__ import annotations

import time

from mockhub.verify import oracle
from mockhub.verify.assertions import assert_equal, expect, expect_error, require_field
from mockhub.verify.check import check
from mockhub.verify.context import CheckContext
from mockhub.verify.outcomes import Failed

from .insufficient_credits import expect_insufficient_credits

_MIN_PRICE = oracle.min_price()
_SLOW_SECONDS = 6  # longer than many a client waits, and far below the documented 800


@check("CRD-3", requires=("state_handlers",), fixtures=("example",))
def credits_are_shared_between_keys(context: CheckContext) -> None:
    """Two keys of one user see one balance."""
    key = context.state_key("second_key", account="valid")
    context.completed("example")
    expect(context.client.get("credits", key=key), 200)
    assert_equal(
        context.credits(), context.credits(key), "the balance", context.client.exchanges[-1]
    )


@check("LIM-1", requires=("state_handlers",), cost=_MIN_PRICE)
def generate_waits_for_slow_generation(context: CheckContext) -> None:
    """A synchronous generation may take long, and is answered all the same."""
    prompt = context.provider_state("slow_generation", "prompt", seconds=_SLOW_SECONDS)
    started = time.monotonic()
    exchange = context.client.post(context.request_body(prompt=prompt), cost=_MIN_PRICE)
    body = expect(exchange, 200)
    context.record_cost([exchange])
    require_field(body, "usage.credits", int, exchange)
    if time.monotonic() - started < _SLOW_SECONDS / 2:
        raise Failed("it was not slow", exchange, expected=f"an answer after {_SLOW_SECONDS} s")


@check("LED-4", requires=("state_handlers",), cost=_MIN_PRICE)
def ledger_rejects_one_credit_short(context: CheckContext) -> None:
    """An account with one credit less than an image costs is refused, and keeps what it has."""
    key = context.state_key("fresh_account", credits=_MIN_PRICE - 1)
    expect_insufficient_credits(context, context.request_body(), key)


# What the page leaves open.


@check("LED-7", requires=("state_handlers",), cost=_MIN_PRICE)
def ledger_accepts_exact_price(context: CheckContext) -> None:
    """An account with exactly the price of an image gets it, and has nothing left."""
    key = context.state_key("fresh_account", credits=_MIN_PRICE)
    exchange = context.client.post(context.request_body(), key=key, cost=_MIN_PRICE)
    expect(exchange, 200)
    assert_equal(0, context.credits(key), "what is left", exchange)
    context.record_cost([exchange])


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

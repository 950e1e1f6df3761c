"""Synchronous generation: the response comes when the images are there (GEN-1, LIM-1)."""

from __future__ import annotations

import time

from mockhub.verify import oracle
from mockhub.verify.assertions import assert_equal, expect, require_field
from mockhub.verify.check import check
from mockhub.verify.context import CheckContext
from mockhub.verify.generation_assertions import assert_accepted
from mockhub.verify.outcomes import Failed

_MIN_PRICE = oracle.min_price()
_SLOW_SECONDS = 6  # longer than many a client waits, and far below the documented 800


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

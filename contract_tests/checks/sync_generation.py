"""Synchronous generation: the response waits for the images (GEN-1, LIM-1)."""

from __future__ import annotations

import time
from contextlib import suppress
from functools import partial

from mockhub.verify import oracle
from mockhub.verify.assertions import (
    assert_equal,
    assert_field,
    expect,
    find_balance,
    require_field,
)
from mockhub.verify.check import check
from mockhub.verify.concurrent_requests import parallel
from mockhub.verify.context import CheckContext
from mockhub.verify.exchange import Exchange
from mockhub.verify.generation import ObservedGeneration
from mockhub.verify.generation_assertions import assert_accepted
from mockhub.verify.outcomes import CheckOutcome, Failed

_MIN_PRICE = oracle.min_price()
_SLOW_SECONDS = 6  # longer than many clients wait, far below the documented 800


@check("GEN-1", "END-3", fixtures=("example", "portrait", "example_form"))
def generate_waits_for_completion(context: CheckContext) -> None:
    """Return 200 with status succeeded without async, and with async false."""
    for name in ("example", "example_form", "portrait"):
        exchange = assert_accepted(context, name).exchange
        if exchange.status != 400:
            assert_field(expect(exchange, 200), "status", "succeeded", exchange)


@check("LIM-1", requires=("state_handlers",), cost=_MIN_PRICE)
def generate_waits_for_slow_generation(context: CheckContext) -> None:
    """Wait for a synchronous generation that takes several seconds, and was charged before."""
    prompt = context.provider_state("slow_generation", "prompt", seconds=_SLOW_SECONDS)
    key: str = "valid"
    with suppress(CheckOutcome):  # to find a balance that is cached for each key
        key = context.state_key("second_key", account="valid")
    before, started = context.credits(key), time.monotonic()
    post = partial(context.client.post, cost=_MIN_PRICE)
    if context.seed % 2:
        post = partial(post, form=context.form_fields(prompt=prompt))
    else:
        post = partial(post, context.request_body(prompt=prompt))
    exchange, meanwhile = parallel([post, partial(_read_credits_during, context, key)])
    body = expect(exchange, 200)
    fixture = context.fixtures["example"]
    context.adopt_generation(
        ObservedGeneration("a slow generation", fixture, 1, "1024x1024", exchange, finished=True)
    )
    require_field(body, "usage.credits", int, exchange)
    if (seconds := time.monotonic() - started) < _SLOW_SECONDS / 2:
        raise Failed(
            f"the response came after {seconds:.1f} s", exchange, expected=f"{_SLOW_SECONDS} s"
        )
    expect(meanwhile, 200)
    what = "the balance during the generation"
    charged_first = before - _MIN_PRICE
    balance = find_balance(meanwhile.json_object, meanwhile)
    assert_equal(balance, charged_first, what, meanwhile, clause="LED-1")


def _read_credits_during(context: CheckContext, key: str) -> Exchange:
    time.sleep(_SLOW_SECONDS / 4)
    return context.client.get("credits", key=key)

"""Synchronous generation: the response waits for the images (GEN-1, LIM-1)."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

from mockhub.verify import oracle
from mockhub.verify.assertions import (
    assert_equal,
    assert_field,
    expect,
    find_balance,
    require_field,
)
from mockhub.verify.charge_assertions import offered_size, small_size
from mockhub.verify.check import check
from mockhub.verify.concurrent_requests import SimultaneousRequest
from mockhub.verify.context import CheckContext
from mockhub.verify.exchange import Exchange
from mockhub.verify.fixtures import vary
from mockhub.verify.generation import ObservedGeneration, encode_request, is_final
from mockhub.verify.generation_assertions import assert_accepted, assert_completed
from mockhub.verify.outcomes import CheckOutcome, Failed, failures_about

_MIN_PRICE = oracle.min_price()
_SLOW_TASK_SECONDS = 2  # longer than the task queues of some servers wait
_SLOW_SECONDS = 6  # longer than many clients wait, far below the documented 800


@check("GEN-1", "END-3", fixtures=("example", "portrait", "example_form"))
def generate_waits_for_completion(context: CheckContext) -> None:
    """Return 200 with status succeeded without async, and with async false."""
    for name in ("example", "example_form", "portrait"):
        exchange = assert_accepted(context, name).exchange
        if exchange.status != 400:
            assert_field(expect(exchange, 200), "status", "succeeded", exchange)


@check(
    *("LIM-1", "LED-1", "ASY-1", "ASY-5"),
    requires=("state_handlers",),
    cost=2 * oracle.max_price(),
)
def generate_waits_for_slow_generation(context: CheckContext) -> None:
    """Wait for a synchronous generation that takes several seconds, and was charged before.

    A slow task of another user, at the same time, is accepted at once and charged once.
    """
    prompt = context.provider_state("slow_generation", "prompt", seconds=_SLOW_SECONDS)
    key: str = "valid"
    with suppress(CheckOutcome):  # to find a balance that is cached for each key
        key = context.state_key("second_key", account="valid")
    size, price = offered_size(context, turn=1)
    fixture = replace(context.fixtures["example"], size=size, is_form=bool(context.seed % 2))
    fixture = vary(fixture, context.seed)
    before, started = context.credits(key), time.monotonic()
    request = SimultaneousRequest("valid", encode_request(fixture, prompt), cost=price)
    with ThreadPoolExecutor(2) as pool:
        task = pool.submit(_slow_task, context)
        read = pool.submit(_read_credits_during, context, key)
        [exchange] = context.client.send_simultaneously([request])
    meanwhile, body = read.result(), expect(exchange, 200)
    context.adopt_generation(
        ObservedGeneration("a slow generation", fixture, 1, size, exchange, finished=True)
    )
    require_field(body, "usage.credits", int, exchange)
    if (seconds := time.monotonic() - started) < _SLOW_SECONDS / 2:
        raise Failed(
            f"the response came after {seconds:.1f} s", exchange, expected=f"{_SLOW_SECONDS} s"
        )
    expect(meanwhile, 200)
    what = "the balance during the generation"
    balance = find_balance(meanwhile.json_object, meanwhile)
    assert_equal(balance, before - price, what, meanwhile, clause="LED-1")
    task.result()


def _read_credits_during(context: CheckContext, key: str) -> Exchange:
    time.sleep(_SLOW_SECONDS / 4)
    return context.client.get("credits", key=key)


def _slow_task(context: CheckContext) -> None:
    """Require a slow task of `other` to be accepted before it ends, and to be charged once."""
    if "other" not in context.profile.keys or context.credits("other") < _MIN_PRICE:
        return
    seconds = min(_SLOW_TASK_SECONDS, 0.6 * context.profile.poll_timeout)
    prompt = context.provider_state("slow_generation", "prompt", seconds=seconds)
    before, fixture = context.credits("other"), context.fixtures["example_async"]
    fixture = vary(replace(fixture, payer="other"), context.seed + 2)
    size = small_size(context, context.seed)
    fields = {"size": size, "quality": fixture.quality, "async": True}
    body = context.request_body(prompt=prompt, **fields)
    exchange = context.client.post(body, key="other", cost=_MIN_PRICE)
    task = ObservedGeneration("a slow task", fixture, 1, size, exchange)
    context.adopt_generation(task)
    with failures_about("ASY-1"):
        expect(exchange, 202)
        if exchange.seconds >= seconds and task.polls and is_final(task.polls[0]):
            message = f"HTTP 202 came after {exchange.seconds:.1f} s, when the task had ended"
            raise Failed(message, exchange, task.polls[0], expected="HTTP 202 at once")
    with failures_about("ASY-5"):
        assert_completed(context, task)
    expected = before - _MIN_PRICE
    after = context.wait_for_credits(expected, "other")
    assert_equal(after, expected, "the balance of other", task.final_exchange, clause="LED-1")

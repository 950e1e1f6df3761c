"""Concurrent requests never overdraw an account, and their costs add up (LED-6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from itertools import zip_longest

from mockhub.verify import oracle
from mockhub.verify.assertions import (
    assert_distinct_generations,
    assert_equal,
    expect_error,
    require_response,
    response_balance,
)
from mockhub.verify.charge_assertions import assert_balances_match_costs, offered_size
from mockhub.verify.check import check
from mockhub.verify.concurrent_requests import SimultaneousRequest
from mockhub.verify.context import CheckContext
from mockhub.verify.exchange import Exchange
from mockhub.verify.fixtures import ALL_FIXTURES, GenerationFixture, vary
from mockhub.verify.generation import ObservedGeneration, encode_request
from mockhub.verify.generation_assertions import assert_distinct_images
from mockhub.verify.outcomes import Failed, Inconclusive, Skipped
from mockhub.verify.threads import parallel

_MIN_PRICE = oracle.min_price()
_EXTRA_REQUESTS = 2  # concurrent requests beyond those that the balance pays for
_MAX_PAID = 6  # concurrent requests that the balance may pay for
_MAX_CONCURRENT = _MAX_PAID + _EXTRA_REQUESTS


@check("LED-6", fixtures=ALL_FIXTURES)
def ledger_balance_is_sum_of_usage(context: CheckContext) -> None:
    """Keep the balance at the start minus the sum of usage.credits, and never negative."""
    assert_balances_match_costs(context)
    for role in context.starting_balances:
        if context.credits(role) < 0:
            raise Failed(f"the balance of {role} is negative", context.client.exchanges[-1])


@check(
    *("LED-6", "LED-4", "LED-1", "CRD-3", "GEN-7", "LED-7"),
    level="documented",
    requires=("low",),
    cost=4 * _MIN_PRICE,
)
def ledger_is_never_overdrawn_concurrently(context: CheckContext) -> None:
    """Accept as many concurrent images and tasks as the balance pays for, and charge each.

    Media types and modes are mixed, at the price of a tier that depends on the seed.
    """
    roles = [role for role in context.profile.account_roles if role != "low"]
    reads = context.run_batch([partial(context.credits, role) for role in ("low", *roles)])
    start, *balances = reads
    size, n, price = _concurrent_size(context, start)
    payable = int(start // price)
    others = dict(zip(roles, balances, strict=True))
    fixtures = [
        vary(
            replace(
                context.fixtures["example"], payer="low", n=n, size=size, is_form=is_form,
                asynchronous=is_task or None,
            ),
            context.seed + at,
        )
        for at, (is_form, is_task) in enumerate(_concurrent_modes(context, payable))
    ]  # fmt: skip
    prompt = f"Some of several boats, {context.seed}"
    requests = [
        # The balance does not pay for the others.
        SimultaneousRequest("low", encode_request(one, prompt), cost=price if at < payable else 0)
        for at, one in enumerate(fixtures)
    ]
    failing, unpaid = _requests_of_others(context, others)
    _reject_first(context, start)
    # A refund is due while requests of others follow the failure.
    exchanges = context.client.send_simultaneously([*failing, *requests, *unpaid])
    left = context.credits("low")  # soon after the 402, and before tasks have been waited for
    context.concurrent_payment = (start, start % price)
    of_low = exchanges[len(failing) : len(failing) + len(requests)]
    most = start - price * sum(exchange.status == 200 for exchange in of_low)
    if left > most:
        message = f"{left} credits are left just after the responses, expected at most {most}"
        raise Failed(message, context.balance_reads["low"], *of_low, clause="CRD-3")
    for exchange in of_low:
        if require_response(exchange).status not in (200, 202):
            expect_error(exchange, 402, "insufficientCredits")
    paid = _adopt_paid(context, fixtures, of_low)
    for generation in paid:
        _assert_own_balance(generation, start - price)
    _assert_not_overdrawn(context, start, price, paid, of_low)
    assert_distinct_generations([generation.exchange for generation in paid])
    assert_distinct_images(paid)
    reads_again = [partial(context.wait_for_credits, others[role], role) for role in roles]
    for role, after in zip(roles, context.run_batch(reads_again), strict=True):
        what = f"the balance of {role} after requests of low"
        assert_equal(after, others[role], what, *exchanges)


def _reject_first(context: CheckContext, credits: int) -> None:
    """Send a request that `low` cannot pay for, right before those that it can."""
    if credits < 4 * _MIN_PRICE:
        exchange = context.client.post(context.request_body(n=4), key="low", cost=credits)
        expect_error(exchange, 402, "insufficientCredits")


def _concurrent_size(context: CheckContext, credits: int) -> tuple[str, int, int]:
    """Return a size, n, and what a request for these costs; the credits pay for a few of them."""
    if credits < _MIN_PRICE:
        raise Inconclusive(f"keys.low has {credits} credits, expected enough for 1 to 6 images")
    size, price = offered_size(context, credits)
    numbers = [
        n for n in (1, 2, 3, 4) if price * n <= credits and credits // (n * price) <= _MAX_PAID
    ]
    if not numbers:
        raise Skipped(f"keys.low has {credits} credits, expected enough for a few images")
    n = numbers[context.seed // 3 % len(numbers)]
    return size, n, n * price


def _concurrent_modes(context: CheckContext, payable: int) -> list[tuple[bool, bool]]:
    """Return whether each request is a form, and a task.

    The requests of one media type, which depends on the seed, are one less than the balance pays
    for: whichever arrive first, those of the other type compete for what is left.
    """
    forms = [(True, context.has_form_tasks and at % 2 == 1) for at in range(_MAX_CONCURRENT)]
    others = [(False, at % 2 == 0) for at in range(_MAX_CONCURRENT)]
    fewer, more = (forms, others) if context.seed % 2 else (others, forms)
    pairs = zip_longest(more[: _EXTRA_REQUESTS + 1], fewer[: payable - 1])
    return [mode for pair in pairs for mode in pair if mode is not None]


def _requests_of_others(
    context: CheckContext, credits: Mapping[str, int]
) -> tuple[list[SimultaneousRequest], list[SimultaneousRequest]]:
    """Return requests of other users that cost nothing: one that fails, and one without credits."""
    failing, unpaid = [], []
    if context.profile.provider_failure:
        body = context.request_body(prompt=context.profile.provider_failure)
        failing.append(SimultaneousRequest("valid", body, cost=_MIN_PRICE))
    if credits.get("broke", _MIN_PRICE) < _MIN_PRICE:
        unpaid.append(SimultaneousRequest("broke", context.request_body()))
    return failing, unpaid


def _assert_own_balance(generation: ObservedGeneration, most: int) -> None:
    """Require a response to have a balance that the payer can have at this moment."""
    exchange = generation.exchange
    if exchange.status == 200:
        credits = response_balance(generation.body, exchange)
        if not 0 <= credits <= most:
            message = f"balance.credits is {credits}, beside requests of other users"
            raise Failed(message, exchange, expected=f"0 to {most}", clause="GEN-7")


def _adopt_paid(
    context: CheckContext, fixtures: list[GenerationFixture], exchanges: list[Exchange]
) -> list[ObservedGeneration]:
    """Return what was paid for: a task may be accepted, and fail for lack of credits."""
    generations = [
        ObservedGeneration(
            "of low",
            one,
            one.image_count,
            one.size or "",
            exchange,
            finished=exchange.status == 200,
        )
        for one, exchange in zip(fixtures, exchanges, strict=True)
        if exchange.status in (200, 202)
    ]
    parallel([partial(context.adopt_generation, generation) for generation in generations])
    for generation in generations:
        if not generation.finished and not generation.failed_with_500:
            raise Inconclusive("a task has not ended", *generation.polls[-1:])
    return [generation for generation in generations if generation.reported_cost != 0]


def _assert_not_overdrawn(
    context: CheckContext,
    start: int,
    cost: int,
    paid: list[ObservedGeneration],
    exchanges: list[Exchange],
) -> None:
    evidence = [generation.exchange for generation in paid]
    expected = start - len(paid) * cost
    end = context.credits("low")  # which no refund is still to come to
    last = context.client.exchanges[-1]
    if expected < 0 or end < 0:
        raise Failed(
            f"{len(paid)} requests of {cost} credits were accepted with {start}; {end} are left",
            *evidence,
            last,
            expected=f"at most {int(start // cost)} accepted, the others 402",
        )
    what = f"the balance after {len(paid)} requests"
    assert_equal(end, expected, what, last, *evidence)
    context.settled_balances["low"] = expected
    margin = 1 if context.documented else 0  # that an exact balance is enough is inferred
    if expected >= cost + margin:
        rejected = [exchange for exchange in exchanges if exchange.status == 402]
        raise Failed(f"402 although {end} credits are left", *rejected, expected="HTTP 200")

"""Assertions about charges and balances, shared by the checks."""

from __future__ import annotations

import math
from collections.abc import Sequence

from mockhub.verify import oracle
from mockhub.verify.assertions import (
    assert_common_fields,
    assert_equal,
    assert_image_fields,
    expect,
    find_balance,
)
from mockhub.verify.concurrent_requests import SimultaneousRequest
from mockhub.verify.context import CheckContext
from mockhub.verify.exchange import Exchange
from mockhub.verify.generation import ObservedGeneration
from mockhub.verify.generation_assertions import (
    assert_image_count,
    require_final,
    require_triggered,
)
from mockhub.verify.outcomes import Failed, Inconclusive, Skipped


def unit_price(generation: ObservedGeneration) -> int:
    """Return the credits of one image; the response determines the tier of undocumented sizes."""
    tier = generation.final_body.get("quality")
    tier_price = oracle.prices().get(tier) if isinstance(tier, str) else None
    return tier_price if tier_price and generation.size != "1024x1024" else oracle.min_price()


def assert_consistent(context: CheckContext, generation: ObservedGeneration) -> int:
    """Require the images and the cost of a generation to fit its request.

    Return the cost.
    """
    delivered = generation.n
    if generation.fixture.trigger == "partial" and context.profile.partial:
        require_triggered(generation)
        delivered = context.profile.partial.delivered
    assert_common_fields(generation.final_body, generation.final_exchange)
    assert_image_fields(assert_image_count(generation, delivered), generation.final_exchange)
    cost = delivered * unit_price(generation)
    reported, exchange = require_final(generation, "usage.credits", int), generation.final_exchange
    assert_equal(reported, cost, "usage.credits", exchange, clause="GEN-6")
    return cost


def offered_size(
    context: CheckContext, credits: float = math.inf, *, turn: int = 0
) -> tuple[str, int]:
    """Return a size that was accepted in this run, and the price of its image, at most *credits*.

    Its tier depends on the seed and *turn*.
    """
    sizes = {unit_price(one): one.size for one in context.history if one.accepted}
    sizes[oracle.min_price()] = "1024x1024"
    prices = sorted(price for price in sizes if price <= credits)
    price = prices[(context.seed + turn) % len(prices)]
    return sizes[price], price


def small_size(context: CheckContext, turn: int) -> str:
    """Return a size at the lowest price that was accepted in this run, by *turn*."""
    lowest = oracle.min_price()
    accepted = {one.size for one in context.history if one.accepted and unit_price(one) == lowest}
    sizes = sorted({"1024x1024"} | {one for one in accepted if oracle.price(one, 1) == lowest})
    return sizes[turn % len(sizes)]


def assert_charged(generation: ObservedGeneration, cost: int) -> None:
    """Require a generation that was measured alone to have been charged *cost*, once."""
    assert_unchanged_on_reread(generation)
    if generation.charged != cost:
        raise Failed(
            f"{generation.charged} credits were charged: the balance was "
            f"{generation.balance_before} before and {generation.balance_after} after",
            generation.exchange,
            *generation.polls[-1:],
            expected=f"{cost} credits charged, once",
        )


def assert_unchanged_on_reread(generation: ObservedGeneration) -> None:
    """Require the balance to stay the same when a task that has ended is read again."""
    after, reread = generation.balance_after, generation.balance_on_reread
    if generation.measured_alone and after is not None and reread not in (None, after):
        raise Failed(
            f"the balance was {after}, and {reread} after the task had been read again",
            *generation.polls[-2:],
            expected=f"still {after} credits",
        )


def assert_rejections_not_charged(context: CheckContext, *, ignored_status: int = 0) -> None:
    """Require that no rejected request so far changed a balance."""
    records = [
        record for record in context.no_charge_checks if record.exchange.status != ignored_status
    ]
    for record in records:
        charged = record.balance_before != record.balance_after
        if charged and record.exchange.status not in (200, 202):
            raise Failed(
                f"{record.description} changed the balance of {record.role} "
                f"from {record.balance_before} to {record.balance_after}",
                record.exchange,
                expected=f"still {record.balance_before} credits",
            )
    if not records:
        raise Skipped("no request was rejected")


def resend_lost(
    context: CheckContext,
    requests: Sequence[SimultaneousRequest],
    exchanges: list[Exchange],
    balance: int,
) -> None:
    """Send the requests again whose responses were lost, if the balance shows no charge for them.

    *balance* is that of the payer without such a charge.
    """
    lost = [exchange for exchange in exchanges if exchange.error == "lost"]
    if not lost or context.wait_for_credits(balance, requests[0].key or "valid") != balance:
        return
    for at, request in enumerate(requests):
        if exchanges[at] in lost:
            context.client.lost.remove(exchanges[at])
            [exchanges[at]] = context.client.send_simultaneously([request])


def assert_balances_match_costs(context: CheckContext) -> None:
    """Require the balances to be the starting balances minus the reported costs."""
    generations = [generation for generation in context.history if generation.accepted]
    for generation in generations:
        ended = generation.finished or generation.exchange.status == 200
        if ended and generation.reported_cost is None:
            raise Inconclusive("a generation did not report its cost", generation.final_exchange)
        if not ended and not generation.failed_with_500:
            raise Inconclusive("a task has not ended", generation.final_exchange)
    if lost := context.client.lost:
        raise Inconclusive("a request may have been charged, and its response was lost", *lost)
    if _has_unexpected_acceptance(context):
        raise Inconclusive("requests were accepted that should have been rejected")
    for role in ("valid", "other") if generations else ("other",):
        cost = sum(one.reported_cost or 0 for one in generations if one.payer == role)
        if role in context.starting_balances:
            exchange = context.client.get("credits", key=role)
            balance = find_balance(expect(exchange, 200), exchange)
            expected = context.starting_balances[role] - cost
            assert_equal(balance, expected, f"the balance of {role}", exchange)


def _has_unexpected_acceptance(context: CheckContext) -> bool:
    """Return whether a request was accepted for keys.valid that should have been rejected."""
    authorization = f"Bearer {context.profile.keys['valid']}"
    accepted = [
        exchange
        for exchange in context.client.exchanges
        if exchange.request.method == "POST"
        and exchange.status in (200, 202)
        and exchange.request.headers.get("Authorization") in (authorization, None)
    ]
    return len(accepted) > sum(
        generation.accepted for generation in context.history if generation.payer == "valid"
    )

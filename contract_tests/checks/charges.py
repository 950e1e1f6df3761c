"""The balance: how it is told, and what a generation takes from it, once."""

from __future__ import annotations

from mockhub.verify import oracle
from mockhub.verify.assertions import (
    assert_equal,
    balance_object,
    expect,
    require_field,
    require_response,
)
from mockhub.verify.check import check
from mockhub.verify.context import CheckContext
from mockhub.verify.generation import ObservedGeneration
from mockhub.verify.outcomes import Failed, Inconclusive

from .sync_generation import ALL_FIXTURES, assert_expiration, completed_generations

_MIN_PRICE = oracle.min_price()


@check("END-2", "CRD-1", "CRD-2")
def credits_have_documented_fields(context: CheckContext) -> None:
    """GET /api/v1/credits tells credits, account_type and next_expiration."""
    exchange = require_response(context.client.get("credits"))
    if exchange.status == 401:
        raise Inconclusive("the key keys.valid is refused; is it right?", exchange)
    balance = balance_object(expect(exchange, 200), exchange)
    if require_field(balance, "credits", int, exchange) < 0:
        raise Failed("credits are negative", exchange, expected="0 or more")
    require_field(balance, "account_type", str, exchange, allow_empty=False)
    assert_expiration(dict(balance), exchange)


@check("CRD-1", fixtures=("example",))
def credits_match_response_balance(context: CheckContext) -> None:
    """account_type and next_expiration are the same in both places."""
    generation = context.completed("example")
    exchange = context.client.get("credits")
    reported, balance = (
        balance_object(expect(exchange, 200), exchange),
        generation.body.get("balance"),
    )
    if isinstance(balance, dict):
        for name in ("account_type", "next_expiration"):
            assert_equal(balance.get(name), reported.get(name), name, exchange, generation.exchange)


@check("LED-1", "END-2", fixtures=ALL_FIXTURES)
def ledger_charges_once(context: CheckContext) -> None:
    """The final cost leaves the balance exactly once, for answers and for tasks."""
    for generation in completed_generations(context, ALL_FIXTURES):
        if generation.measured_alone and None not in (
            generation.balance_before,
            generation.balance_after,
            generation.reported_cost,
        ):
            assert_charged(generation, generation.n * unit_price(generation))
    for group in context.generation_groups:
        assert_group_charge(group)


def unit_price(generation: ObservedGeneration) -> int:
    """The credits of one image of *made*; which tier other sizes are of, the answer tells."""
    tier = generation.final_body.get("quality")
    tier_price = oracle.prices().get(tier) if isinstance(tier, str) else None
    return tier_price if tier_price and generation.size != "1024x1024" else _MIN_PRICE


def assert_charged(generation: ObservedGeneration, cost: int) -> None:
    """Hold a generation to what it took from the balance, once."""
    assert_unchanged_on_reread(generation)
    charged = (generation.balance_before or 0) - (generation.balance_after or 0)
    if charged != cost:
        raise Failed(
            f"{charged} credits left the balance ({generation.balance_before} before, {generation.balance_after} after)",  # noqa: E501
            generation.exchange,
            *generation.polls[-1:],
            expected=f"{cost} credits taken, once",
        )


def assert_group_charge(group: list[ObservedGeneration]) -> None:
    """Hold generations that were made side by side to what they cost together."""
    if len(group) < 2 or any(
        generation.balance_before is None or generation.balance_after is None
        for generation in group
    ):
        return
    if any(generation.reported_cost is None and generation.accepted for generation in group):
        return
    charged = (group[0].balance_before or 0) - (group[0].balance_after or 0)
    cost = sum(generation.reported_cost or 0 for generation in group)
    if charged != cost:
        raise Failed(
            f"{charged} credits left the balance for generations that cost {cost} together",
            *(generation.final_exchange for generation in group),
            expected=f"{cost} credits taken",
        )


def assert_unchanged_on_reread(generation: ObservedGeneration) -> None:
    """Reading a task that has ended moves no credits, in either direction."""
    if (
        generation.measured_alone
        and generation.balance_after is not None
        and generation.balance_on_reread not in (None, generation.balance_after)
    ):
        raise Failed(
            f"the balance was {generation.balance_after}, and {generation.balance_on_reread} when the task had been read again",  # noqa: E501
            *generation.polls[-2:],
            expected=f"{generation.balance_after} credits still",
        )

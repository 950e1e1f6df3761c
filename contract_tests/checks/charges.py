"""Each generation is charged once (LED-1)."""

from __future__ import annotations

from mockhub.verify import oracle
from mockhub.verify.assertions import (
    assert_distinct_generations,
    assert_equal,
    assert_field,
    expect,
)
from mockhub.verify.charge_assertions import (
    assert_balances_match_costs,
    assert_charged,
    assert_rejections_not_charged,
    unit_price,
)
from mockhub.verify.check import check
from mockhub.verify.context import CheckContext
from mockhub.verify.fixtures import ALL_FIXTURES
from mockhub.verify.generation import ObservedGeneration
from mockhub.verify.generation_assertions import (
    assert_completed,
    assert_final,
    assert_image_count,
    assert_ratio_of_size,
    completed_generations,
)
from mockhub.verify.outcomes import Failed

_MIN_PRICE = oracle.min_price()


@check("LED-1", "END-2", fixtures=ALL_FIXTURES)
def ledger_charges_once(context: CheckContext) -> None:
    """Charge the final cost exactly once, for responses and for tasks."""
    for generation in completed_generations(context, ALL_FIXTURES):
        known = generation.charged is not None and generation.reported_cost is not None
        if generation.measured_alone and known:
            assert_charged(generation, generation.n * unit_price(generation))
    for group in context.generation_groups:
        _assert_group_charge(group)


def _assert_group_charge(group: list[ObservedGeneration]) -> None:
    """Require generations that ran at the same time to be charged what they cost together."""
    charged = group[0].charged
    if len(group) < 2 or charged is None:
        return
    if any(generation.reported_cost is None and generation.accepted for generation in group):
        return
    cost = sum(generation.reported_cost or 0 for generation in group)
    if charged != cost:
        raise Failed(
            f"{charged} credits were charged for generations that cost {cost} together",
            *(generation.final_exchange for generation in group),
            expected=f"{cost} credits charged",
        )


@check("LED-1", "GEN-3", fixtures=("portrait",), cost=4 * _MIN_PRICE)
def ledger_charges_concurrent_tasks(context: CheckContext) -> None:
    """Charge each of two tasks submitted at the same time for its own images."""
    before = context.credits()
    tasks = _submit_concurrent_tasks(context)
    for generation in tasks:
        expect(generation.exchange, 202)
        context.adopt_generation(generation)
    exchanges = [generation.exchange for generation in tasks]
    assert_distinct_generations(exchanges)
    total = 0
    for generation in tasks:
        assert_completed(context, generation)
        cost = generation.n * unit_price(generation)
        assert_field(generation.body, "usage.credits_requested", cost, generation.exchange)
        assert_final(generation, "usage.credits", cost)
        assert_image_count(generation)
        assert_ratio_of_size(generation)
        total += cost
    after = context.wait_for_credits(before - total)
    assert_equal(after, before - total, "the balance after both tasks", *exchanges)


def _submit_concurrent_tasks(context: CheckContext) -> list[ObservedGeneration]:
    portrait_accepted = not context.generation("portrait").size_rejection
    requests = [(3, "1024x1024"), (1, "1024x1536" if portrait_accepted else "1024x1024")]
    bodies = [context.request_body(n=n, size=size, **{"async": True}) for n, size in requests]
    prices = {"1024x1024": _MIN_PRICE}  # the tier of 1024x1536 is open
    max_costs = [n * prices.get(size, oracle.max_price()) for n, size in requests]
    exchanges = context.client.post_simultaneously(bodies, key="valid", costs=max_costs)
    return [
        ObservedGeneration(
            f"task {n} x {size}", context.fixtures["example_async"], n, size, exchange
        )
        for (n, size), exchange in zip(requests, exchanges, strict=True)
    ]


@check("LED-1", fixtures=ALL_FIXTURES)
def ledger_charges_only_accepted_requests(context: CheckContext) -> None:
    """Charge nothing for reads, polls and rejected requests."""
    assert_rejections_not_charged(context, ignored_status=402)


@check("LED-1", "CRD-3", fixtures=ALL_FIXTURES)
def ledger_balance_matches_costs(context: CheckContext) -> None:
    """Reduce the balance by the cost of the generations, and no other user's balance."""
    assert_balances_match_costs(context)


@check("LED-1", level="inferred", fixtures=("example",), cost=_MIN_PRICE)
def ledger_charges_repeated_requests(context: CheckContext) -> None:
    """Create and charge a second generation if a request is repeated."""
    first, before = context.completed("example"), context.credits()
    fixture = context.fixtures["example"]
    exchange = context.client.post(fixture.fields(fixture.prompt), cost=_MIN_PRICE)
    body = expect(exchange, 200)
    context.adopt_generation(
        ObservedGeneration("example again", fixture, 1, "1024x1024", exchange, finished=True)
    )
    if body.get("id") == first.id:
        raise Failed("both generations have the same id", exchange, expected="different ids")
    what = "the balance after the second generation"
    assert_equal(context.credits(), before - _MIN_PRICE, what, exchange)

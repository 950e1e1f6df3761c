"""Each generation is charged once (LED-1)."""

from __future__ import annotations

from mockhub.verify import oracle
from mockhub.verify.assertions import (
    assert_distinct_generations,
    assert_equal,
    expect,
    require_field,
)
from mockhub.verify.charge_assertions import (
    assert_balances_match_costs,
    assert_charged,
    assert_no_other_charge,
    unit_price,
)
from mockhub.verify.check import check
from mockhub.verify.context import CheckContext
from mockhub.verify.fixtures import ALL_FIXTURES, FIXTURES
from mockhub.verify.generation import ObservedGeneration
from mockhub.verify.generation_assertions import assert_completed, completed_generations
from mockhub.verify.outcomes import Failed

_MIN_PRICE = oracle.min_price()


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


@check("LED-1", "GEN-3", fixtures=("portrait",), cost=3 * _MIN_PRICE)
def ledger_charges_concurrent_tasks(context: CheckContext) -> None:
    """Two tasks submitted at once keep what each asked for, and each is charged."""
    before = context.credits()
    portrait_accepted = context.generation("portrait").accepted
    requested = [(1, "1024x1024"), (2, "1024x1536" if portrait_accepted else "1024x1024")]
    bodies = [context.request_body(n=n, size=size, **{"async": True}) for n, size in requested]
    max_costs = [
        n * oracle.max_price() for n, _ in requested
    ]  # which tier a tall image is of is open
    exchanges = context.client.post_simultaneously(bodies, key="valid", costs=max_costs)
    tasks = [
        ObservedGeneration(f"at once: {n} of {size}", FIXTURES["example_async"], n, size, exchange)
        for (n, size), exchange in zip(requested, exchanges, strict=True)
    ]
    for generation in tasks:
        expect(generation.exchange, 202)
        context.adopt_generation(generation)
    assert_distinct_generations(exchanges)
    cost = 0
    for generation in tasks:
        assert_completed(context, generation)
        _assert_matches_request(generation, generation.n * unit_price(generation))
        cost += generation.n * unit_price(generation)
    after = context.wait_for_credits(before - cost)
    assert_equal(before - cost, after, "the balance after both", *exchanges)


def _assert_matches_request(generation: ObservedGeneration, cost: int) -> None:
    requested = require_field(generation.body, "usage.credits_requested", int, generation.exchange)
    assert_equal(cost, requested, "usage.credits_requested", generation.exchange)
    assert_equal(
        cost,
        require_field(generation.final_body, "usage.credits", int, generation.final_exchange),
        "usage",
        generation.final_exchange,
    )
    images = require_field(generation.final_body, "images", list, generation.final_exchange)
    assert_equal(generation.n, len(images), "the number of images", generation.final_exchange)
    ratio = require_field(generation.final_body, "aspect_ratio", str, generation.final_exchange)
    if not oracle.same_ratio(generation.size, ratio):
        raise Failed(
            f"{generation.size} is {ratio!r}",
            generation.final_exchange,
            expected="the size's ratio",
        )


@check("LED-1", fixtures=ALL_FIXTURES)
def ledger_charges_only_accepted_requests(context: CheckContext) -> None:
    """Reads, polls and requests that are refused cost nothing."""
    assert_no_other_charge(context, ("a request answered 402",))


@check("LED-1", "CRD-3", fixtures=ALL_FIXTURES)
def ledger_balance_matches_costs(context: CheckContext) -> None:
    """The balance is the start minus what the generations cost, and nobody else paid."""
    assert_balances_match_costs(context)


@check("LED-1", level="inferred", fixtures=("example",), cost=_MIN_PRICE)
def ledger_charges_repeated_requests(context: CheckContext) -> None:
    """The same request twice is two generations, each of which is charged."""
    first, before = context.completed("example"), context.credits()
    fixture = FIXTURES["example"]
    exchange = context.client.post(fixture.fields(fixture.prompt), cost=_MIN_PRICE)
    body = expect(exchange, 200)
    context.adopt_generation(
        ObservedGeneration("example again", fixture, 1, "1024x1024", exchange, finished=True)
    )
    if body.get("id") == first.id:
        raise Failed("the second has the first one's id", exchange, expected="another id")
    assert_equal(before - _MIN_PRICE, context.credits(), "the balance after the second", exchange)

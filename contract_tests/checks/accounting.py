"""The books: they add up over everything that was asked, and nobody else has paid."""

from __future__ import annotations

from mockhub.spec.operations import OperationId
from mockhub.verify import oracle
from mockhub.verify.assertions import (
    assert_equal,
    expect,
    expect_error,
    find_balance,
    require_field,
)
from mockhub.verify.check import check
from mockhub.verify.context import CheckContext
from mockhub.verify.fixtures import FIXTURES
from mockhub.verify.generation import ObservedGeneration
from mockhub.verify.outcomes import Failed, Inconclusive, Skipped

from .async_tasks import assert_completed
from .charges import unit_price
from .insufficient_credits import (
    assert_distinct_generations,
    expect_insufficient_credits,
    require_insufficient_credits,
)
from .sync_generation import ALL_FIXTURES

_MIN_PRICE = oracle.min_price()


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
        context.adopt_task(generation)
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


@check("CRD-3", "LED-1", requires=("other",), fixtures=(*ALL_FIXTURES, "form_task"))
def ledger_leaves_other_accounts_unchanged(context: CheckContext) -> None:
    """While one user pays, another user's credits stay where they are."""
    seen = False
    for generation in context.history:
        if (
            generation.other_balance_before is not None
            and generation.other_balance_after is not None
        ):
            seen = True
            assert_equal(
                generation.other_balance_before,
                generation.other_balance_after,
                "another user's balance",
                generation.final_exchange,
            )
    if not seen:
        raise Inconclusive("no generation was made")


@check("LED-1", fixtures=ALL_FIXTURES)
def ledger_charges_only_accepted_requests(context: CheckContext) -> None:
    """Reads, polls and requests that are refused cost nothing."""
    _assert_no_other_charge(context, ("a request answered 402",))


def _assert_no_other_charge(context: CheckContext, excluded: tuple[str, ...] = ()) -> None:
    records = [record for record in context.no_charge_checks if record.description not in excluded]
    for record in records:
        if record.balance_before != record.balance_after and record.exchange.status not in (
            200,
            202,
        ):
            raise Failed(
                f"{record.description} moved the balance of {record.role} from {record.balance_before} to {record.balance_after}",  # noqa: E501
                record.exchange,
                expected=f"{record.balance_before} credits still",
            )
    if not records:
        raise Skipped("no request was refused")


@check("LED-1", "CRD-3", fixtures=ALL_FIXTURES)
def ledger_balance_matches_costs(context: CheckContext) -> None:
    """The balance is the start minus what the generations cost, and nobody else paid."""
    generations = [one for one in context.history if one.accepted]
    if any(
        one.reported_cost is None and (one.finished or one.exchange.status == 200)
        for one in generations
    ):
        raise Inconclusive("a generation did not tell what it cost")
    if any(
        one.exchange.status == 202 and not (one.finished or one.failed_with_500)
        for one in generations
    ):
        raise Inconclusive("a task has not ended")
    if context.has_unexpected_acceptance():
        raise Inconclusive("requests were accepted that should have been refused")
    if "valid" in context.starting_balances and generations:
        expected = context.starting_balances["valid"] - sum(
            one.reported_cost or 0 for one in generations
        )
        exchange = context.client.get("credits")
        found = find_balance(expect(exchange, 200), exchange)
        assert_equal(expected, found, "the balance", exchange)
    if "other" in context.starting_balances:
        exchange = context.client.get("credits", key="other")
        found = find_balance(expect(exchange, 200), exchange)
        assert_equal(
            context.starting_balances["other"], found, "the balance of another user", exchange
        )


# What the page leaves open.


@check("CRD-4", fixtures=("example",))
def credits_reads_are_free(context: CheckContext) -> None:
    """Reading the balance never changes it, nor does any request answered 4xx."""
    first = context.credits()
    generation_id = context.generation("example").id or "clx_no_such_generation"
    for path in ("credits", f"generations/{generation_id}", "generations/clx_no_such_generation"):
        exchange = context.client.get(path)
        assert_equal(first, context.credits(), f"the balance after GET {path}", exchange)
    _assert_no_other_charge(context)


@check("CRD-2", level="inferred")
def credits_match_response_schema(context: CheckContext) -> None:
    """The balance object itself is the answer."""
    exchange = context.client.get("credits")
    for error in oracle.response_validator(OperationId.GET_CREDITS, 200).iter_errors(
        expect(exchange, 200)
    ):
        raise Failed(f"does not match the response schema: {error.message[:200]}", exchange)


@check("LED-1", level="inferred", fixtures=("example",), cost=_MIN_PRICE)
def ledger_charges_repeated_requests(context: CheckContext) -> None:
    """The same request twice is two generations, each of which is charged."""
    first, before = context.completed("example"), context.credits()
    fixture = FIXTURES["example"]
    exchange = context.client.post(fixture.fields(fixture.prompt), cost=_MIN_PRICE)
    body = expect(exchange, 200)
    context.adopt_task(
        ObservedGeneration("example again", fixture, 1, "1024x1024", exchange, finished=True)
    )
    if body.get("id") == first.id:
        raise Failed("the second has the first one's id", exchange, expected="another id")
    assert_equal(before - _MIN_PRICE, context.credits(), "the balance after the second", exchange)


@check("LED-5", requires=("broke",), cost=_MIN_PRICE)
def ledger_stores_nothing_after_402(context: CheckContext) -> None:
    """402 charges nothing and leaves no generation behind."""
    require_insufficient_credits(context, "broke")
    body = expect(expect_insufficient_credits(context, context.request_body(), "broke"), 402)
    generation_id = body.get("id") or (body.get("error") or {}).get("generation_id")
    if isinstance(generation_id, str):
        expect_error(
            context.client.get(f"generations/{generation_id}", key="broke"), 404, "notFound"
        )


@check("LED-6", fixtures=ALL_FIXTURES)
def ledger_balance_is_sum_of_usage(context: CheckContext) -> None:
    """The balance equals the start minus the sum of usage.credits, and is never negative."""
    ledger_balance_matches_costs(context)
    for role in context.starting_balances:
        if context.credits(role) < 0:
            raise Failed(f"the balance of {role} is negative", context.client.exchanges[-1])


@check("LED-7", requires=("low",), after=("ledger_is_never_overdrawn_concurrently",))
def ledger_accepts_exact_balance(context: CheckContext) -> None:
    """A balance exactly equal to the price is enough."""
    start = context.concurrent_payment_start
    if not start:
        raise Inconclusive("keys.low had no credits to spend")
    end = context.credits("low")
    if start % _MIN_PRICE:
        raise Inconclusive(f"keys.low had {start} credits, no multiple of {_MIN_PRICE}")
    assert_equal(0, end, "what is left of an exact balance", context.client.exchanges[-1])

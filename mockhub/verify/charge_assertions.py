"""Assertions about charges and balances, shared by the checks."""

from __future__ import annotations

from mockhub.verify import oracle
from mockhub.verify.assertions import assert_equal, expect, find_balance
from mockhub.verify.context import CheckContext
from mockhub.verify.generation import ObservedGeneration
from mockhub.verify.outcomes import Failed, Inconclusive, Skipped

_MIN_PRICE = oracle.min_price()


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


def assert_no_other_charge(context: CheckContext, excluded: tuple[str, ...] = ()) -> None:
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


def assert_balances_match_costs(context: CheckContext) -> None:
    """Require the balances to be the starting balances minus the reported costs."""
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

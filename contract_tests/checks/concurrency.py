"""The balance adds up after concurrent requests (LED-6)."""

from __future__ import annotations

from mockhub.verify.charge_assertions import assert_balances_match_costs
from mockhub.verify.check import check
from mockhub.verify.context import CheckContext
from mockhub.verify.fixtures import ALL_FIXTURES
from mockhub.verify.outcomes import Failed


@check("LED-6", fixtures=ALL_FIXTURES)
def ledger_balance_is_sum_of_usage(context: CheckContext) -> None:
    """Keep the balance at the start minus the sum of usage.credits, and never negative."""
    assert_balances_match_costs(context)
    for role in context.starting_balances:
        if context.credits(role) < 0:
            raise Failed(f"the balance of {role} is negative", context.client.exchanges[-1])

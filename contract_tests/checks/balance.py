"""Who pays, seen from other accounts than the one that pays for nearly all else."""

from __future__ import annotations

from mockhub.verify import oracle
from mockhub.verify.assertions import assert_equal, balance_object, expect, require_field
from mockhub.verify.check import check
from mockhub.verify.context import CheckContext
from mockhub.verify.outcomes import Skipped

from .sync_generation import assert_expiration

_MIN_PRICE = oracle.min_price()


@check("CRD-2", "CRD-1")
def accounts_have_complete_balances(context: CheckContext) -> None:
    """Every account's balance has credits, account_type and next_expiration."""
    roles = [role for role in ("other", "low", "broke") if role in context.starting_balances]
    if not roles:
        raise Skipped("the profile has one account only")
    for role in roles:
        exchange = context.client.get("credits", key=role)
        balance = balance_object(expect(exchange, 200), exchange)
        require_field(balance, "credits", int, exchange)
        require_field(balance, "account_type", str, exchange, allow_empty=False)
        assert_expiration(dict(balance), exchange)


@check("CRD-3", "LED-1", requires=("other",), cost=_MIN_PRICE)
def accounts_pay_for_own_requests(context: CheckContext) -> None:
    """What another user generates is taken from that user's balance, and from no other."""
    before, valid = context.credits("other"), context.credits()
    if before < _MIN_PRICE:
        raise Skipped(f"keys.other has {before} credits, which do not pay for an image")
    exchange = context.client.post(context.request_body(), key="other", cost=_MIN_PRICE)
    reported_cost = require_field(expect(exchange, 200), "usage.credits", int, exchange)
    context.record_cost([exchange])
    after = context.wait_for_credits(before - reported_cost, "other")
    assert_equal(before - reported_cost, after, "the balance of the user who asked", exchange)
    assert_equal(valid, context.credits(), "the balance of another user", exchange)

"""GET /credits: the balance, and whose it is (CRD-1 to CRD-4)."""

from __future__ import annotations

from mockhub.spec.operations import OperationId
from mockhub.verify import oracle
from mockhub.verify.assertions import (
    assert_equal,
    assert_expiration,
    balance_object,
    expect,
    require_field,
)
from mockhub.verify.charge_assertions import assert_no_other_charge
from mockhub.verify.check import check
from mockhub.verify.context import CheckContext
from mockhub.verify.fixtures import ALL_FIXTURES
from mockhub.verify.outcomes import Failed, Inconclusive, Skipped

_MIN_PRICE = oracle.min_price()


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


@check("CRD-4", fixtures=("example",))
def credits_reads_are_free(context: CheckContext) -> None:
    """Reading the balance never changes it, nor does any request answered 4xx."""
    first = context.credits()
    generation_id = context.generation("example").id or "clx_no_such_generation"
    for path in ("credits", f"generations/{generation_id}", "generations/clx_no_such_generation"):
        exchange = context.client.get(path)
        assert_equal(first, context.credits(), f"the balance after GET {path}", exchange)
    assert_no_other_charge(context)


@check("CRD-2", level="inferred")
def credits_match_response_schema(context: CheckContext) -> None:
    """The balance object itself is the answer."""
    exchange = context.client.get("credits")
    for error in oracle.response_validator(OperationId.GET_CREDITS, 200).iter_errors(
        expect(exchange, 200)
    ):
        raise Failed(f"does not match the response schema: {error.message[:200]}", exchange)


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


@check("CRD-3", requires=("state_handlers",), fixtures=("example",))
def credits_are_shared_between_keys(context: CheckContext) -> None:
    """Two keys of one user see one balance."""
    key = context.state_key("second_key", account="valid")
    context.completed("example")
    expect(context.client.get("credits", key=key), 200)
    assert_equal(
        context.credits(), context.credits(key), "the balance", context.client.exchanges[-1]
    )

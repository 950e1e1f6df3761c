"""The balance of GET /credits, and which account pays (CRD-1 to CRD-4)."""

from __future__ import annotations

from functools import partial

from mockhub.spec.operations import OperationId
from mockhub.verify import oracle
from mockhub.verify.assertions import (
    assert_equal,
    assert_matches_schema,
    balance_object,
    expect,
    require_complete_balance,
)
from mockhub.verify.charge_assertions import assert_rejections_not_charged
from mockhub.verify.check import check
from mockhub.verify.context import CheckContext
from mockhub.verify.exchange import Exchange
from mockhub.verify.fixtures import ALL_FIXTURES, SAVED_FIXTURES
from mockhub.verify.generation_assertions import responses_to, synchronous_generations
from mockhub.verify.outcomes import Inconclusive, Skipped

_MIN_PRICE = oracle.min_price()


@check("CRD-1", fixtures=SAVED_FIXTURES)
def credits_match_response_balance(context: CheckContext) -> None:
    """Return the same account_type and next_expiration as in the response of a generation."""
    for generation in synchronous_generations(context):
        # A later read may show other lots of credits: it comes from just after the generation.
        exchange, balance = generation.balance_read, generation.body.get("balance")
        if exchange is None or not generation.measured_alone or not isinstance(balance, dict):
            continue
        read = balance_object(expect(exchange, 200), exchange)
        for name in ("account_type", "next_expiration"):
            assert_equal(read.get(name), balance.get(name), name, exchange, generation.exchange)


@check("CRD-3", "LED-1", requires=("other",), fixtures=ALL_FIXTURES)
def ledger_leaves_other_accounts_unchanged(context: CheckContext) -> None:
    """Leave the balances of other users unchanged when a user generates."""
    compared = False
    for generation in context.history:
        before, after = generation.other_balance_before, generation.other_balance_after
        if before is not None and after is not None:
            compared = True
            assert_equal(after, before, "another user's balance", generation.final_exchange)
    if not compared:
        raise Inconclusive("no generation was created")


@check("CRD-4", fixtures=("example",))
def credits_reads_are_free(context: CheckContext) -> None:
    """Change no balance on reads and on rejected requests."""
    first, known = context.credits(), context.generation("example")
    paths = ["credits", "generations/clx_no_such_generation", *([known.path] if known.id else [])]
    for path in paths:
        exchange = context.client.get(path)
        assert_equal(context.credits(), first, f"the balance after GET {path}", exchange)
    assert_rejections_not_charged(context)


@check("CRD-2", level="inferred")
def credits_match_response_schema(context: CheckContext) -> None:
    """Return the balance object itself from GET /api/v1/credits."""
    assert_matches_schema(context.client.get("credits"), OperationId.GET_CREDITS)


@check("CRD-2", "CRD-1", last=True, pays_nothing=True)
def accounts_have_complete_balances(context: CheckContext) -> None:
    """Return credits, account_type and next_expiration every time, for every account."""
    roles = [role for role in ("other", "low", "broke") if role in context.starting_balances]
    list(context.run_batch([partial(context.client.get, "credits", role) for role in roles]))
    reads: dict[str | None, Exchange] = {}  # by key
    for exchange in responses_to(context, "GET credits", 200):
        require_complete_balance(exchange)
        reads[exchange.request.headers.get("Authorization")] = exchange
    for exchange in responses_to(context, "POST images", 200):
        read = reads.get(exchange.request.headers.get("Authorization"))
        balance = exchange.json_object.get("balance")
        if read and isinstance(balance, dict):
            name = "account_type"
            expected = balance_object(expect(read, 200), read).get(name)
            assert_equal(balance.get(name), expected, f"balance.{name}", exchange, read)
    if not roles:
        raise Skipped("the profile has only one account")


@check("CRD-3", requires=("state_handlers",), fixtures=("example",))
def credits_are_shared_between_keys(context: CheckContext) -> None:
    """Return one balance for two keys of a user."""
    key = context.state_key("second_key", account="valid")
    context.completed("example")
    for generation in context.history:
        balances = (generation.balance_before, generation.balance_after)
        for second, first in zip(generation.second_key_balances, balances, strict=True):
            if None not in (first, second):
                assert_equal(second, first, "the balance", generation.final_exchange)
    expect(context.client.get("credits", key=key), 200)
    first, second = context.credits(), context.credits(key)
    assert_equal(second, first, "the balance", context.client.exchanges[-1])

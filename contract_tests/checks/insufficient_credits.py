"""Accounts without enough credits (LED-4, LED-5, LED-7, ASY-8, ERR-4)."""

from __future__ import annotations

from typing import Any

from mockhub.verify import oracle
from mockhub.verify.assertions import (
    assert_distinct_generations,
    assert_equal,
    expect,
    expect_error,
    find_balance,
    require_response,
)
from mockhub.verify.check import check
from mockhub.verify.context import CheckContext
from mockhub.verify.exchange import Exchange
from mockhub.verify.generation import ObservedGeneration
from mockhub.verify.outcomes import Failed, Inconclusive, Skipped

_MIN_PRICE = oracle.min_price()
_EXTRA_REQUESTS = 2  # requests sent at once beyond those that can be paid
_MAX_PAID = 6  # requests that may be paid at once


@check("ASY-8", requires=("broke",), cost=oracle.min_price())
def tasks_require_sufficient_credits(context: CheckContext) -> None:
    """An asynchronous request that the balance cannot pay is 402 at submission."""
    require_insufficient_credits(context, "broke")
    expect_insufficient_credits(context, context.request_body(**{"async": True}), "broke")


@check("ASY-8", requires=("low",), cost=4 * oracle.min_price())
def tasks_require_full_price(context: CheckContext) -> None:
    """A task is refused if the balance pays for some of its images only."""
    credits = context.credits("low")
    if not oracle.min_price() <= credits < 4 * oracle.min_price():
        raise Skipped(f"keys.low has {credits} credits; expected some, but not for 4 images")
    expect_insufficient_credits(context, context.request_body(n=4, **{"async": True}), "low")


@check("LED-4", "ERR-4", requires=("broke",), cost=_MIN_PRICE)
def ledger_rejects_insufficient_credits(context: CheckContext) -> None:
    """Not enough credits: 402 insufficientCredits, in JSON and in a form, for one image or four."""
    require_insufficient_credits(context, "broke")
    expect_insufficient_credits(context, context.request_body(), "broke")
    expect_insufficient_credits(context, context.request_body(n=4), "broke")
    expect_insufficient_credits(context, {}, "broke", form=context.form_fields())


@check("LED-4", requires=("broke",), cost=_MIN_PRICE)
def ledger_generates_nothing_unpaid(context: CheckContext) -> None:
    """A task that the balance cannot pay is refused, or fails; it is not drawn for free."""
    before = require_insufficient_credits(context, "broke")
    exchange = context.client.post(
        context.request_body(**{"async": True}), key="broke", cost=_MIN_PRICE
    )
    if require_response(exchange).status == 402:
        return
    after = context.credits("broke")
    if after < 0:
        raise Failed(f"the balance is {after}", exchange, expected=f"{before}, or 402")
    if exchange.status == 202:
        _assert_not_generated(context, expect(exchange, 202), exchange)


def _assert_not_generated(context: CheckContext, body: dict[str, Any], exchange: Exchange) -> None:
    generation = ObservedGeneration("on credit", None, 1, "1024x1024", exchange)  # type: ignore[arg-type]
    for _ in range(3):
        poll = context.client.get(f"generations/{generation.id}", key="broke")
        if poll.status == 200 and expect(poll, 200).get("status") == "succeeded":
            raise Failed("a task was drawn that could not be paid", exchange, poll, expected="402")


@check("LED-4", requires=("low",), cost=4 * _MIN_PRICE)
def ledger_requires_full_price(context: CheckContext) -> None:
    """An account that can pay for some of the images, but not for all, is refused."""
    credits = _spend_down(context)
    if credits < _MIN_PRICE:
        raise Inconclusive(f"keys.low has {credits} credits; expected enough for an image")
    expect_insufficient_credits(context, context.request_body(n=4), "low")


def _spend_down(context: CheckContext) -> int:
    """The credits of low, spent down to fewer than four images cost."""
    credits = context.credits("low")
    for _ in range(2):
        if credits < 4 * _MIN_PRICE:
            return credits
        n = min(4, int(credits - 3 * _MIN_PRICE) // _MIN_PRICE)
        exchange = context.client.post(context.request_body(n=n), key="low", cost=n * _MIN_PRICE)
        expect(exchange, 200)
        context.record_cost([exchange])
        assert_equal(
            credits - n * _MIN_PRICE, context.credits("low"), "the balance of low", exchange
        )
        credits -= n * _MIN_PRICE
    if credits >= 4 * _MIN_PRICE:
        raise Skipped(f"keys.low has {credits} credits; expected enough for a few images")
    return credits


@check("LED-4", "LED-1", requires=("low",), cost=3 * _MIN_PRICE)
def ledger_is_never_overdrawn_concurrently(context: CheckContext) -> None:
    """Requests at once: as many are paid as the balance allows, none is lost, none overdrawn."""
    start = context.credits("low")
    n = next((n for n in (1, 2, 3, 4) if start // (n * _MIN_PRICE) <= _MAX_PAID), 4)
    payable = int(start // (n * _MIN_PRICE))
    if payable > _MAX_PAID:
        raise Skipped(f"keys.low has {start} credits; expected enough for a few images")
    if payable < 1:
        raise Inconclusive(f"keys.low has {start} credits; expected enough for 1 to 6 images")
    others = {
        role: context.credits(role) for role in ("valid", "other") if role in context.profile.keys
    }
    exchanges = context.client.post_simultaneously(
        [context.request_body(n=n) for _ in range(payable + _EXTRA_REQUESTS)],
        key="low",
        costs=[n * _MIN_PRICE] * payable,  # nobody can pay for the others
    )
    context.concurrent_payment_start = start
    context.record_cost(exchanges)
    paid = [exchange for exchange in exchanges if require_response(exchange).status == 200]
    for exchange in exchanges:
        if exchange.status != 200:
            expect_error(exchange, 402, "insufficientCredits")
    _assert_not_overdrawn(context, start, n, paid, exchanges)
    assert_distinct_generations(paid)
    for role, before in others.items():
        assert_equal(
            before, context.credits(role), f"the balance of {role} while low paid", *paid[:1]
        )


def _assert_not_overdrawn(
    context: CheckContext, start: int, n: int, paid: list[Exchange], exchanges: list[Exchange]
) -> None:
    cost, last = n * _MIN_PRICE, context.client.get("credits", key="low")
    end = find_balance(expect(last, 200), last)
    if len(paid) * cost > start or end < 0:
        raise Failed(
            f"{len(paid)} requests of {cost} credits were paid from {start}; {end} are left",
            *paid, last, expected=f"at most {start // cost} paid, the others 402",
        )  # fmt: skip
    assert_equal(
        start - len(paid) * cost, end, f"the balance after {len(paid)} requests", last, *paid
    )
    margin = 1 if context.documented else 0  # that an exact balance is enough is inferred
    if end >= cost + margin:
        rejected = [exchange for exchange in exchanges if exchange.status == 402]
        raise Failed(f"402 although {end} credits are left", *rejected, expected="HTTP 200")


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


@check("LED-4", requires=("state_handlers",), cost=_MIN_PRICE)
def ledger_rejects_one_credit_short(context: CheckContext) -> None:
    """An account with one credit less than an image costs is refused, and keeps what it has."""
    key = context.state_key("fresh_account", credits=_MIN_PRICE - 1)
    expect_insufficient_credits(context, context.request_body(), key)


@check("LED-7", requires=("state_handlers",), cost=_MIN_PRICE)
def ledger_accepts_exact_price(context: CheckContext) -> None:
    """An account with exactly the price of an image gets it, and has nothing left."""
    key = context.state_key("fresh_account", credits=_MIN_PRICE)
    exchange = context.client.post(context.request_body(), key=key, cost=_MIN_PRICE)
    expect(exchange, 200)
    assert_equal(0, context.credits(key), "what is left", exchange)
    context.record_cost([exchange])


def require_insufficient_credits(context: CheckContext, role: str) -> int:
    """The credits of *role*, if they do not pay for one image."""
    credits = context.credits(role)
    if credits >= _MIN_PRICE:
        raise Inconclusive(f"keys.{role} has {credits} credits, which pay for an image")
    return credits


def expect_insufficient_credits(
    context: CheckContext, body: dict[str, Any], role: str, **options: Any
) -> Exchange:
    """Hold a request to 402 insufficientCredits and to leaving the balance as it is."""
    before = context.credits(role)
    with context.expect_no_charge("a request answered 402", role):
        arguments = options or {"json": body}
        exchange = context.client.post(key=role, cost=before, **arguments)
        if exchange.status == 429 and context.client.get("credits", key=role).status == 200:
            raise Failed("HTTP 429 for want of credits", exchange, expected="402")
        expect_error(exchange, 402, "insufficientCredits")
    assert_equal(before, context.credits(role), f"the balance of {role} after 402", exchange)
    return exchange

"""Accounts without enough credits (LED-4, LED-5, LED-7, ASY-8, ERR-4)."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import product

from mockhub.verify import oracle, polling
from mockhub.verify.assertions import assert_equal, expect, expect_error, require_response
from mockhub.verify.charge_assertions import resend_lost
from mockhub.verify.check import check
from mockhub.verify.concurrent_requests import SimultaneousRequest
from mockhub.verify.context import CheckContext
from mockhub.verify.exchange import Exchange, JsonObject
from mockhub.verify.fixtures import (
    ALL_FIXTURES,
    DOCUMENTED_SIZES,
    GenerationFixture,
    request_of_turn,
    upload_files,
)
from mockhub.verify.generation import ObservedGeneration, encode_request
from mockhub.verify.outcomes import Failed, Inconclusive, Skipped
from mockhub.verify.request_bodies import EncodedBody

_MIN_PRICE = oracle.min_price()
_TURNS, _SLOW_TURNS = 11, 4  # unpaid requests of each media type and mode
_PRICED_SIZES = ("1024x1024", "auto", "1536x1024", "2048x2048", "3840x2160")
_MAX_SIMULTANEOUS = 24
_PAYABLE_SECONDS = 5.0  # after which a slow implementation gets no more of them


@check("ASY-8", requires=("broke",), cost=_MIN_PRICE)
def tasks_require_sufficient_credits(context: CheckContext) -> None:
    """Reject an asynchronous request without enough credits with 402 at submission."""
    _require_no_credits(context)
    _expect_insufficient_credits(context, "broke", context.request_body(**{"async": True}))


@check("ASY-8", requires=("low",), cost=4 * _MIN_PRICE)
def tasks_require_full_price(context: CheckContext) -> None:
    """Reject an asynchronous request if the credits pay for some of its images only."""
    credits = context.credits("low")
    if not _MIN_PRICE <= credits < 4 * _MIN_PRICE:
        raise Skipped(f"keys.low has {credits} credits, expected enough for 1 to 3 images")
    _expect_insufficient_credits(context, "low", context.request_body(n=4, **{"async": True}))


# It precedes the others, after whose failure nothing is paid for any more.
@check("LED-4", requires=("broke",), cost=_MIN_PRICE, pays_nothing=True)
def ledger_generates_nothing_unpaid(context: CheckContext) -> None:
    """Generate no images for a task without enough credits."""
    credits = _require_no_credits(context)
    for is_form in (False, True):
        _assert_task_not_generated(context, "broke", credits, n=1, is_form=is_form)


def _assert_task_not_generated(
    context: CheckContext, role: str, credits: int, *, n: int, is_form: bool
) -> None:
    """Require 402 to a task of *n* images that *credits* do not pay for, or that it fails."""
    fields = {"n": n, "async": True}
    post = partial(context.client.post, key=role, cost=max(credits, _MIN_PRICE))
    if is_form:
        exchange = post(form=context.form_fields(**fields), files=upload_files(("sunset.png",)))
    else:
        exchange = post(context.request_body(**fields))
    if require_response(exchange).status == 402:
        return
    after = context.credits(role)
    if after < 0:
        raise Failed(f"the balance is {after}", exchange, expected=f"{credits}, or 402")
    if exchange.status == 202:
        path = f"generations/{expect(exchange, 202).get('id')}"
        for _ in range(3):
            poll = context.client.get(path, key=role)
            images = poll.json_object.get("images")
            if poll.status == 200 and isinstance(images, list) and len(images) == n:
                raise Failed("an unpaid task succeeded", exchange, poll, expected="402")
        if poll.status == 404:
            raise Failed("its owner cannot read an accepted task", exchange, poll, expected="402")


@check("LED-4", "ERR-4", requires=("broke",), cost=_MIN_PRICE, pays_nothing=True)
def ledger_rejects_insufficient_credits(context: CheckContext) -> None:
    """Reject JSON and forms without enough credits with 402 insufficientCredits."""
    _require_no_credits(context)
    _expect_insufficient_credits(context, "broke", context.request_body())
    _expect_insufficient_credits(context, "broke", form=context.form_fields())
    turns = _SLOW_TURNS if context.is_slow else _TURNS
    with context.expect_no_charge("requests without enough credits", "broke"):
        kinds = list(product((False, True), (False, True), range(turns)))
        requests = [
            request_of_turn(len(kinds) * context.seed + at, is_form=is_form, is_task=is_task)
            for at, (is_form, is_task, _) in enumerate(kinds)
        ]
        calls = [partial(context.post_fixture, one, "broke", cost=_MIN_PRICE) for one in requests]
        exchanges = list(context.run_batch(calls))
        if context.documented:
            exchanges = list(_certainly_unpaid(list(zip(requests, exchanges, strict=True))))
        for exchange in exchanges:
            expect_error(exchange, 402, "insufficientCredits")


def _certainly_unpaid(
    responses: Sequence[tuple[GenerationFixture, Exchange]],
) -> Iterator[Exchange]:
    """Iterate over the responses that must be 402 by the documentation alone.

    A task may be accepted and fail. A size in a media type, or a task in a form, may be rejected
    with 400, but then always.
    """
    offered = {(one.size, one.is_form) for one, exchange in responses if exchange.status == 402}
    offered |= set(product(DOCUMENTED_SIZES, (False, True)))
    has_form_tasks = any(
        exchange.status in (202, 402) for request, exchange in responses if request.is_form_task
    )
    for request, exchange in responses:
        is_open = request.is_form_task and not has_form_tasks
        may_be_rejected = is_open or (request.size, request.is_form) not in offered
        may_fail_later = bool(request.asynchronous) and exchange.status == 202
        if not (may_fail_later or (may_be_rejected and exchange.status == 400)):
            yield exchange


@check("LED-4", requires=("state_handlers",), cost=_MIN_PRICE)
def ledger_rejects_one_credit_short(context: CheckContext) -> None:
    """Reject a request of an account that lacks one credit, without a charge."""
    for n in (1, 2):
        key = context.state_key("fresh_account", credits=n * _MIN_PRICE - 1)
        _expect_insufficient_credits(context, key, context.request_body(n=n))
        _expect_insufficient_credits(context, key, form=context.form_fields(n=n))


@check("LED-4", requires=("low",), cost=4 * _MIN_PRICE, account="low")
def ledger_requires_full_price(context: CheckContext) -> None:
    """Reject a request if the credits pay for some of its images only."""
    credits = _spend_down(context)
    if credits < _MIN_PRICE:
        raise Inconclusive(f"keys.low has {credits} credits, expected enough for an image")
    _expect_insufficient_credits(context, "low", context.request_body(n=4))
    _expect_insufficient_credits(context, "low", form=context.form_fields(n=4))
    for is_form in (False, True):
        _assert_task_not_generated(context, "low", credits, n=4, is_form=is_form)


def _spend_down(context: CheckContext) -> int:
    """Spend the credits of `low` until they pay for fewer than four images; return them."""
    credits = context.credits("low")
    for _ in range(2):
        if credits < 4 * _MIN_PRICE:
            return credits
        n = min(4, int(credits - 3 * _MIN_PRICE) // _MIN_PRICE)
        if credits < 4 * oracle.max_price():  # the balance must not stay as a rejection found it
            unpayable = context.request_body(n=4, size="3840x2160")
            exchange = context.client.post(unpayable, key="low", cost=credits)
            after = context.credits("low")
            if exchange.status == 200:  # the size may be of a lower tier
                context.record_cost([exchange])
                credits = after
                continue
            assert_equal(after, credits, "the balance of low after a rejection", exchange)
        exchange = context.client.post(context.request_body(n=n), key="low", cost=n * _MIN_PRICE)
        expect(exchange, 200)
        context.record_cost([exchange])
        credits -= n * _MIN_PRICE
        assert_equal(context.credits("low"), credits, "the balance of low", exchange)
    if credits >= 4 * _MIN_PRICE:
        raise Skipped(f"keys.low has {credits} credits, expected enough for a few images")
    return credits


@check(
    "LED-4",
    requires=("low", "provider_failure"),
    fixtures=ALL_FIXTURES,
    cost=4 * _MIN_PRICE,
    account="low",
)
def ledger_requires_price_of_each_combination(context: CheckContext) -> None:
    """Accept what the credits pay for and reject what they do not, whatever is requested.

    The provider fails, so nothing is charged.
    """
    credits = _spend_down(context)
    payable, unpayable = [], []
    for size, n in product(_PRICED_SIZES, (1, 2, 3, 4)):
        lowest, highest = (n * price for price in _possible_prices(context, size))
        if lowest > credits:
            unpayable.append((n, size))
        elif highest <= credits:
            payable.append((highest, n, size))
    _assert_rejected(context, credits, unpayable)
    below = [one for one in sorted(payable) if one[0] < credits]
    _assert_payable(context, credits, sorted({*below[-1:], *sorted(payable)[-1:]}))


def _assert_rejected(
    context: CheckContext, credits: int, unpayable: Sequence[tuple[int, str]]
) -> None:
    """Require 402 to each n and size of *unpayable*, in each media type and mode."""
    combinations = [
        (n, size, is_form, is_task)
        for n, size in unpayable
        for is_form, is_task in product((False, True), repeat=2)
        if not (is_task and context.documented)
    ]
    exchanges = [
        exchange
        for start in range(0, len(combinations), _MAX_SIMULTANEOUS)
        for exchange in _request_failures(
            context, credits, *combinations[start : start + _MAX_SIMULTANEOUS]
        )
    ]
    for (_, size, *_), exchange in zip(combinations, exchanges, strict=True):
        if not (exchange.status == 400 and context.documented and size not in DOCUMENTED_SIZES):
            expect_error(exchange, 402, "insufficientCredits")
    after = context.credits("low")
    assert_equal(after, credits, "the balance of low", context.client.exchanges[-1])


def _assert_payable(
    context: CheckContext, credits: int, payable: Sequence[tuple[int, int, str]]
) -> None:
    """Require requests with a price, n and size of *payable* to be accepted, and refunded."""
    deadline = time.monotonic() + _PAYABLE_SECONDS
    modes = list(product((False, True), (True, False)))
    if context.is_slow:  # one price, and each media type in one mode
        payable, modes = payable[:1], modes[1:3] if context.seed % 2 else modes[::3]
    for is_form, is_task in modes:
        for price, n, size in payable if time.monotonic() < deadline else ():
            [exchange] = _request_failures(context, credits, (n, size, is_form, is_task))
            is_open = price == credits and context.documented  # whether an exact balance is enough
            if exchange.status == 402 and not is_open:
                message = f"402 with {credits} credits to {n} images of {size}"
                raise Failed(message, exchange, expected="500 generationFailed, or 202")
            if exchange.status == 202:
                fixture = replace(context.fixtures["failure_async"], payer="low")
                task = ObservedGeneration("failure of low", fixture, n, size, exchange)
                polling.poll_until_final(context.client, task)
            after = context.wait_for_credits(credits, "low")
            assert_equal(after, credits, "the balance of low", exchange)


def _possible_prices(context: CheckContext, size: str) -> tuple[int, int]:
    """Return the lowest and the highest price of an image; the tier of most sizes is inferred."""
    tiers = {one.body.get("quality") for one in context.history if one.size == size}
    prices = [price for tier, price in oracle.prices().items() if tier in tiers]
    if size == "1024x1024" or not context.documented:
        prices = [oracle.price(size, 1)]
    return (min(prices), max(prices)) if prices else (_MIN_PRICE, oracle.max_price())


def _request_failures(
    context: CheckContext, credits: int, *combinations: tuple[int, str, bool, bool]
) -> list[Exchange]:
    """Request images that the provider does not deliver, at the same moment, as `low`.

    Together they cost at most its *credits*.
    """
    requests = [
        SimultaneousRequest("low", _failing_body(context, at, *one), cost=0 if at else credits)
        for at, one in enumerate(combinations)
    ]
    exchanges = context.client.send_simultaneously(requests)
    resend_lost(context, requests, exchanges, credits)
    for exchange in exchanges:
        if require_response(exchange).status == 200:
            context.record_cost([exchange])
            raise Inconclusive("the provider did not fail", exchange)
    return exchanges


def _failing_body(
    context: CheckContext, turn: int, n: int, size: str, is_form: bool, is_task: bool
) -> EncodedBody:
    fixture = request_of_turn(context.seed + turn, is_form=is_form, is_task=is_task)
    return encode_request(replace(fixture, n=n, size=size), context.profile.provider_failure or "")


@check("LED-4", requires=("low",), last=True, pays_nothing=True)
def ledger_is_never_negative(context: CheckContext) -> None:
    """Keep a balance that is not negative, whichever requests were accepted."""
    for role, credits in context.starting_balances.items():
        if context.credits(role) < 0 <= credits:
            raise Failed(f"the balance of {role} is negative", context.balance_reads[role])


@check("LED-5", requires=("broke",), cost=_MIN_PRICE)
def ledger_stores_nothing_after_402(context: CheckContext) -> None:
    """Charge nothing and store no generation on 402."""
    _require_no_credits(context)
    exchange = _expect_insufficient_credits(context, "broke", context.request_body())
    body = expect(exchange, 402)
    generation_id = body.get("id") or (body.get("error") or {}).get("generation_id")
    if isinstance(generation_id, str):
        read = context.client.get(f"generations/{generation_id}", key="broke")
        expect_error(read, 404, "notFound")


@check("LED-7", requires=("low",), after=("ledger_is_never_overdrawn_concurrently",))
def ledger_accepts_exact_balance(context: CheckContext) -> None:
    """Accept a request whose price is exactly the balance."""
    start, rest = context.concurrent_payment
    if not start:
        raise Inconclusive("keys.low had no credits to spend")
    end = context.credits("low")
    if rest:
        raise Skipped(f"keys.low had {start} credits, not a multiple of the price")
    assert_equal(end, 0, "the rest of an exact balance", context.client.exchanges[-1])


@check("LED-7", requires=("state_handlers",), cost=_MIN_PRICE)
def ledger_accepts_exact_price(context: CheckContext) -> None:
    """Accept a request of an account with exactly its price, and leave no credits."""
    key = context.state_key("fresh_account", credits=_MIN_PRICE)
    exchange = context.client.post(context.request_body(), key=key, cost=_MIN_PRICE)
    expect(exchange, 200)
    assert_equal(context.credits(key), 0, "the balance after the request", exchange)
    context.record_cost([exchange])


def _require_no_credits(context: CheckContext) -> int:
    """Return the credits of `broke`, which must not pay for an image."""
    credits = context.credits("broke")
    if credits >= _MIN_PRICE:
        raise Inconclusive(f"keys.broke has {credits} credits, enough for an image")
    context.settled_balances.setdefault("broke", credits)
    return credits


def _expect_insufficient_credits(
    context: CheckContext,
    key: str,
    body: JsonObject | None = None,
    *,
    form: dict[str, str] | None = None,
) -> Exchange:
    """Require a request to be rejected with 402 insufficientCredits, without a charge."""
    before = context.credits(key)
    with context.expect_no_charge("a request without enough credits", key):
        exchange = context.client.post(body, form=form, key=key, cost=before)
        if exchange.status == 429 and context.client.get("credits", key=key).status == 200:
            raise Failed("HTTP 429 without enough credits", exchange, expected="402")
        expect_error(exchange, 402, "insufficientCredits")
    assert_equal(context.current_credits(key), before, "the balance after 402", exchange)
    return exchange

"""Accounts without enough credits (LED-4, LED-5, LED-7, ASY-8, ERR-4)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import product

from mockhub.verify import oracle, polling
from mockhub.verify.assertions import (
    assert_distinct_generations,
    assert_equal,
    expect,
    expect_error,
    require_field,
    require_response,
)
from mockhub.verify.check import check
from mockhub.verify.concurrent_requests import SimultaneousRequest, parallel
from mockhub.verify.context import CheckContext
from mockhub.verify.exchange import Exchange, JsonObject
from mockhub.verify.fixtures import DOCUMENTED_SIZES, upload_files
from mockhub.verify.generation import ObservedGeneration
from mockhub.verify.outcomes import Failed, Inconclusive, Skipped

_MIN_PRICE = oracle.min_price()
_EXTRA_REQUESTS = 2  # concurrent requests beyond those that the balance pays for
_UNPAID = (
    (1, "3840x2160", "auto"),
    (2, "auto", "low"),
    (3, "1024x1024", "medium"),
    (4, "1024x1024", "high"),
)
_PRICED_SIZES = ("1024x1024", "auto", "1536x1024", "2048x2048", "3840x2160")
_QUALITIES = ("auto", "low", "medium", "high")
_PAYABLE_REQUESTS = 2  # of each media type and mode, for what costs nearly all credits
_PAYABLE_SECONDS = 5.0  # after which a slow implementation gets no more of them
_MAX_PAID = 6  # concurrent requests that the balance may pay for


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
@check("LED-4", requires=("broke",), cost=_MIN_PRICE)
def ledger_generates_nothing_unpaid(context: CheckContext) -> None:
    """Generate no images for a task without enough credits."""
    before = _require_no_credits(context)
    body = context.request_body(**{"async": True})
    exchange = context.client.post(body, key="broke", cost=_MIN_PRICE)
    if require_response(exchange).status == 402:
        return
    after = context.credits("broke")
    if after < 0:
        raise Failed(f"the balance is {after}", exchange, expected=f"{before}, or 402")
    if exchange.status == 202:
        path = f"generations/{expect(exchange, 202).get('id')}"
        for _ in range(3):
            poll = context.client.get(path, key="broke")
            if poll.status == 200 and poll.json_object.get("status") == "succeeded":
                raise Failed("an unpaid task succeeded", exchange, poll, expected="402")
        if poll.status == 404:
            raise Failed("its owner cannot read an accepted task", exchange, poll, expected="402")


@check("LED-4", "ERR-4", requires=("broke",), cost=_MIN_PRICE)
def ledger_rejects_insufficient_credits(context: CheckContext) -> None:
    """Reject JSON and forms without enough credits with 402 insufficientCredits."""
    _require_no_credits(context)
    _expect_insufficient_credits(context, "broke", context.request_body())
    _expect_insufficient_credits(context, "broke", form=context.form_fields())
    with context.expect_no_charge("requests without enough credits", "broke"):
        calls = list(_unpaid_requests(context))
        for exchange in context.run_batch(calls, cost=_MIN_PRICE):
            is_open = exchange.status == 400 and context.documented  # the size may not be offered
            if not is_open:
                expect_error(exchange, 402, "insufficientCredits")


def _unpaid_requests(context: CheckContext) -> Iterator[Callable[[], Exchange]]:
    """Iterate over requests of `broke` that combine the values of several fields."""
    post = partial(context.client.post, key="broke", cost=_MIN_PRICE)
    for n, size, quality in _UNPAID:
        fields = {"n": n, "size": size, "quality": quality}
        yield partial(post, context.request_body(**fields))
        files = upload_files(("sunset.png",) * (n % 3))
        yield partial(post, form=context.form_fields(**fields), files=files)
        if not context.documented:
            task = {**fields, "async": True}
            yield partial(post, context.request_body(**task))
            yield partial(post, form=context.form_fields(**task), files=files)


@check("LED-4", requires=("low",), cost=4 * _MIN_PRICE)
def ledger_requires_full_price(context: CheckContext) -> None:
    """Reject a request if the credits pay for some of its images only."""
    credits = _spend_down(context)
    if credits < _MIN_PRICE:
        raise Inconclusive(f"keys.low has {credits} credits, expected enough for an image")
    _expect_insufficient_credits(context, "low", context.request_body(n=4))


def _spend_down(context: CheckContext) -> int:
    """Spend the credits of `low` until they pay for fewer than four images; return them."""
    credits = context.credits("low")
    for _ in range(2):
        if credits < 4 * _MIN_PRICE:
            return credits
        n = min(4, int(credits - 3 * _MIN_PRICE) // _MIN_PRICE)
        exchange = context.client.post(context.request_body(n=n), key="low", cost=n * _MIN_PRICE)
        expect(exchange, 200)
        context.record_cost([exchange])
        credits -= n * _MIN_PRICE
        assert_equal(context.credits("low"), credits, "the balance of low", exchange)
    if credits >= 4 * _MIN_PRICE:
        raise Skipped(f"keys.low has {credits} credits, expected enough for a few images")
    return credits


@check("LED-4", requires=("low", "provider_failure"), cost=4 * _MIN_PRICE)
def ledger_requires_price_of_each_combination(context: CheckContext) -> None:
    """Accept what the credits pay for and reject what they do not, whatever is requested.

    The provider fails, so nothing is charged.
    """
    credits, deadline = _spend_down(context), time.monotonic() + _PAYABLE_SECONDS
    payable, unpayable = [], []
    for size, n in product(_PRICED_SIZES, (1, 2, 3, 4)):
        lowest, highest = (n * price for price in _possible_prices(context, size))
        if lowest > credits:
            unpayable.append((n, size))
        elif highest <= credits - context.documented:  # that an exact balance is enough is inferred
            payable.append((highest, n, size))
    for is_form, is_task in product((False, True), repeat=2):
        most_expensive = sorted(payable)[-_PAYABLE_REQUESTS:]
        if context.is_slow:
            most_expensive = most_expensive[-1:]
        for _, n, size in most_expensive if time.monotonic() < deadline else ():
            exchange = _request_failure(context, credits, n, size, is_form, is_task)
            if exchange.status == 402:
                message = f"402 with {credits} credits to {n} images of {size}"
                raise Failed(message, exchange, expected="500 generationFailed, or 202")
            if exchange.status == 202:
                fixture = replace(context.fixtures["failure_async"], payer="low")
                task = ObservedGeneration("failure of low", fixture, n, size, exchange)
                polling.poll_until_final(context.client, task)
            after = context.wait_for_credits(credits, "low")
            assert_equal(after, credits, "the balance of low", exchange)
    combinations = [
        (n, size, is_form, is_task)
        for n, size in unpayable
        for is_form, is_task in product((False, True), repeat=2)
        if not (is_task and context.documented)
    ]
    costs = [min(credits, oracle.price(size, n)) for n, size, *_ in combinations]
    calls = [partial(_request_failure, context, credits, *one) for one in combinations]
    for (_, size, *_), exchange in zip(
        combinations, context.run_batch(calls, cost=costs), strict=True
    ):
        if not (exchange.status == 400 and context.documented and size not in DOCUMENTED_SIZES):
            expect_error(exchange, 402, "insufficientCredits")
    assert_equal(context.credits("low"), credits, "the balance of low", exchange)


def _possible_prices(context: CheckContext, size: str) -> tuple[int, int]:
    """Return the lowest and the highest price of an image; the tier of most sizes is inferred."""
    tiers = {one.body.get("quality") for one in context.history if one.size == size}
    prices = [price for tier, price in oracle.prices().items() if tier in tiers]
    if size == "1024x1024" or not context.documented:
        prices = [oracle.price(size, 1)]
    return (min(prices), max(prices)) if prices else (_MIN_PRICE, oracle.max_price())


def _request_failure(
    context: CheckContext, credits: int, n: int, size: str, is_form: bool, is_task: bool
) -> Exchange:
    """Request images that the provider does not deliver, as `low`, which has *credits*."""
    fields = {"prompt": context.profile.provider_failure, "n": n, "size": size}
    fields |= {"quality": _QUALITIES[n - 1]} | ({"async": True} if is_task else {})
    post = partial(context.client.post, key="low", cost=min(credits, oracle.price(size, n)))
    if is_form:
        files = upload_files(("sunset.png",) * (n % 3))
        exchange = post(form=context.form_fields(**fields), files=files)
    else:
        exchange = post(context.request_body(**fields))
    if require_response(exchange).status == 200:
        context.record_cost([exchange])
        raise Inconclusive("the provider did not fail", exchange)
    return exchange


@check(
    *("LED-4", "LED-1", "CRD-3", "GEN-7", "LED-6", "LED-7"),
    level="documented",
    requires=("low",),
    cost=4 * _MIN_PRICE,
)
def ledger_is_never_overdrawn_concurrently(context: CheckContext) -> None:
    """Accept as many concurrent images and tasks as the balance pays for, and charge each."""
    start = context.credits("low")
    n, payable = _concurrent_requests(start)
    roles = [role for role in ("valid", "other", "broke") if role in context.profile.keys]
    others = {role: context.credits(role) for role in roles}
    price = n * _MIN_PRICE
    requests = [
        SimultaneousRequest(
            "low",
            context.request_body(n=n, **({"async": True} if at % 2 else {})),
            cost=price if at < payable else 0,  # the balance does not pay for the others
        )
        for at in range(payable + _EXTRA_REQUESTS)
    ]
    exchanges = context.client.send_simultaneously(
        [*requests, *_requests_of_others(context, roles)]
    )
    context.concurrent_payment_start = start
    of_low, of_others = exchanges[: len(requests)], exchanges[len(requests) :]
    for exchange in of_low:
        if require_response(exchange).status not in (200, 202):
            expect_error(exchange, 402, "insufficientCredits")
    paid = _adopt_paid(context, n, of_low)
    for generation in paid:
        _assert_own_balance(generation, start - price)
    _assert_not_overdrawn(context, start, price, paid, of_low)
    assert_distinct_generations([generation.exchange for generation in paid])
    for role, before in others.items():
        what = f"the balance of {role} after requests of low"
        assert_equal(context.wait_for_credits(before, role), before, what, *of_others, *of_low)


def _requests_of_others(context: CheckContext, roles: list[str]) -> list[SimultaneousRequest]:
    """Return requests of other users that cost nothing: one that fails, and one without credits."""
    requests = []
    if "broke" in roles and context.credits("broke") < _MIN_PRICE:
        requests.append(SimultaneousRequest("broke", context.request_body()))
    if context.profile.provider_failure:
        body = context.request_body(prompt=context.profile.provider_failure)
        requests.append(SimultaneousRequest("valid", body, cost=_MIN_PRICE))
    return requests


def _assert_own_balance(generation: ObservedGeneration, most: int) -> None:
    """Require a response to have a balance that the payer can have at this moment."""
    exchange = generation.exchange
    if exchange.status == 200:
        credits = require_field(generation.body, "balance.credits", int, exchange)
        if not 0 <= credits <= most:
            message = f"balance.credits is {credits}, beside requests of other users"
            raise Failed(message, exchange, expected=f"0 to {most}", clause="GEN-7")


def _adopt_paid(
    context: CheckContext, n: int, exchanges: list[Exchange]
) -> list[ObservedGeneration]:
    """Return what was paid for: a task may be accepted, and fail for lack of credits."""
    generations = []
    for exchange in exchanges:
        if exchange.status in (200, 202):
            name = "example_async" if exchange.status == 202 else "example"
            fixture = replace(context.fixtures[name], payer="low", n=n)
            generations.append(
                ObservedGeneration(
                    "of low", fixture, n, "1024x1024", exchange, finished=exchange.status == 200
                )
            )
    parallel([partial(context.adopt_generation, generation) for generation in generations])
    for generation in generations:
        if not generation.finished and not generation.failed_with_500:
            raise Inconclusive("a task has not ended", *generation.polls[-1:])
    return [generation for generation in generations if generation.reported_cost != 0]


def _concurrent_requests(credits: int) -> tuple[int, int]:
    """Return n, and how many requests of n images the credits pay for."""
    n = next((n for n in (1, 2, 3, 4) if credits // (n * _MIN_PRICE) <= _MAX_PAID), 4)
    payable = int(credits // (n * _MIN_PRICE))
    if payable > _MAX_PAID:
        raise Skipped(f"keys.low has {credits} credits, expected enough for a few images")
    if payable < 1:
        raise Inconclusive(f"keys.low has {credits} credits, expected enough for 1 to 6 images")
    return n, payable


def _assert_not_overdrawn(
    context: CheckContext,
    start: int,
    cost: int,
    paid: list[ObservedGeneration],
    exchanges: list[Exchange],
) -> None:
    evidence = [generation.exchange for generation in paid]
    expected = start - len(paid) * cost
    end = context.wait_for_credits(expected, "low")
    last = context.client.exchanges[-1]
    if expected < 0 or (end or 0) < 0:
        raise Failed(
            f"{len(paid)} requests of {cost} credits were accepted with {start}; {end} are left",
            *evidence,
            last,
            expected=f"at most {start // cost} accepted, the others 402",
        )
    what = f"the balance after {len(paid)} requests"
    assert_equal(end, expected, what, last, *evidence)
    context.settled_balances["low"] = expected
    margin = 1 if context.documented else 0  # that an exact balance is enough is inferred
    if expected >= cost + margin:
        rejected = [exchange for exchange in exchanges if exchange.status == 402]
        raise Failed(f"402 although {end} credits are left", *rejected, expected="HTTP 200")


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
    start = context.concurrent_payment_start
    if not start:
        raise Inconclusive("keys.low had no credits to spend")
    end = context.credits("low")
    if start % _MIN_PRICE:
        raise Skipped(f"keys.low had {start} credits, not a multiple of {_MIN_PRICE}")
    assert_equal(end, 0, "the rest of an exact balance", context.client.exchanges[-1])


@check("LED-4", requires=("state_handlers",), cost=_MIN_PRICE)
def ledger_rejects_one_credit_short(context: CheckContext) -> None:
    """Reject a request of an account that lacks one credit, without a charge."""
    key = context.state_key("fresh_account", credits=_MIN_PRICE - 1)
    _expect_insufficient_credits(context, key, context.request_body())


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
    assert_equal(context.credits(key), before, "the balance after 402", exchange)
    return exchange

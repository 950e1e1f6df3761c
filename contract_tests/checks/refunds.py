"""Refunds of failed generations and of missing images (LED-2, LED-3, ERR-6)."""

from __future__ import annotations

from functools import partial

from mockhub.verify import oracle
from mockhub.verify.assertions import (
    assert_equal,
    assert_image_fields,
    expect,
    expect_error,
    require_field,
    require_response,
    response_balance,
)
from mockhub.verify.charge_assertions import assert_charged, assert_unchanged_on_reread, unit_price
from mockhub.verify.check import check
from mockhub.verify.context import CheckContext
from mockhub.verify.error_assertions import error_exchanges
from mockhub.verify.fixtures import FAILURE_FIXTURES, FURTHER_FAILURES
from mockhub.verify.generation import ObservedGeneration, is_final
from mockhub.verify.generation_assertions import (
    assert_completed,
    assert_final,
    assert_image_count,
    require_triggered,
)
from mockhub.verify.outcomes import Failed, Inconclusive, OverBudget, Skipped

_MIN_PRICE = oracle.min_price()
_FAILURES = {*FAILURE_FIXTURES, *FURTHER_FAILURES}


@check("LED-2", "ERR-6", requires=("provider_failure",), fixtures=("failure",))
def ledger_refunds_failed_generation(context: CheckContext) -> None:
    """Return 500 generationFailed and refund everything if the provider fails."""
    generation = context.generation("failure")
    require_triggered(generation)
    expect_error(generation.exchange, 500, "generationFailed")
    _assert_failure_refunded(context, generation)


@check("LED-2", requires=("provider_failure",), fixtures=("failure_async",))
def ledger_refunds_failed_task(context: CheckContext) -> None:
    """Refund everything, once, if the provider fails a task."""
    generation = context.generation("failure_async")
    if (status := require_response(generation.exchange).status) != 202:
        raise Inconclusive(f"HTTP {status} where 202 was expected", generation.exchange)
    if not generation.finished and not any(poll.status == 500 for poll in generation.polls):
        raise Inconclusive("the task did not end", *generation.polls[-1:])
    if generation.final_body.get("status") == "succeeded":
        raise Inconclusive("the provider did not fail", generation.final_exchange)
    _assert_failure_refunded(context, generation)


def _assert_failure_refunded(context: CheckContext, generation: ObservedGeneration) -> None:
    if generation.measured_alone:
        _assert_refunded(generation)
    else:
        _assert_group_refund(context, generation, generation.n * unit_price(generation))


def _assert_group_refund(
    context: CheckContext, generation: ObservedGeneration, expected_refund: int
) -> None:
    """Require the refund of a generation that was measured together with others."""
    final = generation.final_exchange
    for group in context.generation_groups:
        charged = group[0].charged
        if generation not in group or charged is None:
            continue
        excess = charged - sum(member.reported_cost or 0 for member in group)
        if excess == expected_refund:
            raise Failed(
                f"{excess} credits too many were charged, the price of what was not delivered",
                final,
                expected=f"{excess} credits refunded, once",
            )
        if excess:
            raise Inconclusive(f"{excess} credits too many were charged", final)
        return
    raise Inconclusive("the balance could not be read", generation.exchange)


def _assert_refunded(generation: ObservedGeneration) -> None:
    assert_unchanged_on_reread(generation)
    if not generation.measured_alone or generation.charged is None:
        raise Inconclusive("the charge could not be measured alone", generation.exchange)
    before, after = generation.balance_before, generation.balance_after
    if before != after:
        raise Failed(
            f"the balance was {before} before and {after} after",
            generation.final_exchange,
            expected=f"still {before} credits",
        )


@check("LED-2", requires=("provider_failure",), fixtures=FAILURE_FIXTURES)
def ledger_refunds_every_kind_of_failure(context: CheckContext) -> None:
    """Refund a failed generation whatever its media type, mode, number, size and payer."""
    for generation in context.generate_failures():
        if generation.exchange.status == 200 and not generation.fixture.asynchronous:
            raise Inconclusive("the provider did not fail", generation.exchange)
        if generation.exchange.status == 202 and generation.reported_cost is None:
            raise Inconclusive("the task did not end", *generation.polls[-1:])
        require_triggered(generation)
    for group in context.generation_groups:
        if group[0].charged and any(one.name in _FAILURES for one in group):
            _find_charged_failure(context, group)


def _find_charged_failure(context: CheckContext, group: list[ObservedGeneration]) -> None:
    """Repeat the failures of a group that was charged one by one, to find the one that is."""
    exchanges = [generation.final_exchange for generation in group]
    for generation in group:
        if not generation.measured_alone:
            try:
                generation = context.repeat_generation(generation)
            except OverBudget:
                before, after = group[0].balance_before, group[0].balance_after
                message = f"the balance went from {before} to {after} for generations that failed"
                raise Failed(message, *exchanges, expected="everything refunded") from None
        if generation.charged and generation.fixture.asynchronous and not generation.finished:
            raise Inconclusive("the task did not end", generation.final_exchange)
        if generation.charged:
            _assert_refunded(generation)
    message = f"the balance changed by {-(group[0].charged or 0)} during failures"
    raise Inconclusive(message, *exchanges)


@check("LED-2", requires=("provider_failure",), cost=2 * _MIN_PRICE, account="valid")
def ledger_refunds_unpolled_task(context: CheckContext) -> None:
    """Refund a failed task that is not polled."""
    before, fixture = context.credits(), context.fixtures["failure_async"]
    fields = {"prompt": context.profile.provider_failure, "async": True}
    bodies = [context.request_body(**fields) for _ in range(2)]
    posts = [partial(context.client.post, body, cost=_MIN_PRICE) for body in bodies]
    tasks = []
    exchanges = context.run_batch(posts)
    for name, exchange in zip(("unpolled task", "polled task"), exchanges, strict=True):
        if (status := require_response(exchange).status) != 202:
            raise Inconclusive(f"HTTP {status} where 202 was expected", exchange)
        tasks.append(ObservedGeneration(name, fixture, 1, "1024x1024", exchange))
    unpolled, polled = tasks
    context.adopt_generation(polled)  # by the time it has ended, so has the other
    after = context.wait_for_credits(before)
    context.adopt_generation(unpolled)
    if after == before:
        return
    if not is_final(unpolled.polls[0]):
        raise Skipped("a task proceeds only while it is polled", unpolled.exchange)
    if (end := context.wait_for_credits(before)) != before:
        raise Inconclusive(f"the balance was {before} and is {end}", unpolled.final_exchange)
    raise Failed(
        f"the balance was {before}, {after} after the task had failed, and {before} after a poll",
        unpolled.final_exchange,
        expected="a refund without a poll",
    )


@check("LED-2", requires=("provider_failure", "low"), cost=_MIN_PRICE)
def ledger_refunds_charged_account(context: CheckContext) -> None:
    """Refund a failed generation to the account that was charged."""
    for role in ("low", "other"):
        if role not in context.profile.keys:
            continue
        before, valid = context.run_batch(
            [partial(context.credits, one) for one in (role, "valid")]
        )
        if before < _MIN_PRICE:
            continue
        body = context.request_body(prompt=context.profile.provider_failure)
        exchange = context.client.post(body, key=role, cost=_MIN_PRICE)
        if (status := require_response(exchange).status) != 500:
            raise Inconclusive(f"HTTP {status} where the provider should fail", exchange)
        read_valid = partial(context.wait_for_credits, valid, "valid")
        reads = [partial(context.wait_for_credits, before, role), read_valid]
        after, valid_after = context.run_batch(reads)
        assert_equal(after, before, f"the balance of {role}", exchange)
        assert_equal(valid_after, valid, "the balance of valid", exchange)
        return
    raise Inconclusive("neither keys.low nor keys.other has credits for an image")


@check("LED-3", requires=("partial",), fixtures=("partial",), pays_nothing=True)
def ledger_refunds_missing_images(context: CheckContext) -> None:
    """Charge only the delivered images and refund the missing ones."""
    generation = context.generation("partial")
    exchange = generation.exchange
    expect(exchange, 200)
    _assert_partial_refund(context, generation)
    reported = response_balance(generation.body, exchange)
    if generation.balance_after is not None and generation.measured_alone:
        what = "balance.credits compared with GET /credits"
        assert_equal(reported, generation.balance_after, what, exchange)


@check("LED-3", "ASY-5", requires=("partial",), fixtures=("partial_async",), pays_nothing=True)
def ledger_refunds_missing_task_images(context: CheckContext) -> None:
    """Charge only the delivered images of a task and refund the missing ones once."""
    generation = context.generation("partial_async")
    if not (generation.fixture.is_form and generation.exchange.status == 200):
        expect(generation.exchange, 202)  # whether a form can be a task is an open point
        assert_completed(context, generation)
        status = require_field(generation.final_body, "status", str, generation.final_exchange)
        evidence = generation.final_exchange
        assert_equal(status, "succeeded", "status", evidence, clause="ASY-5")
    _assert_partial_refund(context, generation)


def _assert_partial_refund(context: CheckContext, generation: ObservedGeneration) -> None:
    require_triggered(generation)
    assert context.profile.partial
    delivered, price = context.profile.partial.delivered, unit_price(generation)
    images = assert_image_count(generation, delivered)
    assert_image_fields(images, generation.final_exchange)
    assert_final(generation, "usage.credits", delivered * price)
    if not generation.measured_alone:
        _assert_group_refund(context, generation, (generation.n - delivered) * price)
    elif generation.charged is not None:
        assert_charged(generation, delivered * price)
    reread = context.client.get(generation.path, generation.payer)
    if reread.status == 200:
        body = expect(reread, 200)
        cost = require_field(body, "usage.credits", int, reread)
        assert_equal(cost, delivered * price, "usage.credits when read again", reread)
        saved = require_field(body, "images", list, reread)
        assert_equal(len(saved), delivered, "the number of saved images", reread)


@check("ERR-6", requires=("provider_failure",), fixtures=("failure", *FAILURE_FIXTURES), last=True)
def errors_500_have_documented_code(context: CheckContext) -> None:
    """Return 500 generationFailed if a generation failed, whatever it requested."""
    for generation in (context.generation("failure"), *context.generate_failures()):
        if not generation.fixture.asynchronous:
            require_triggered(generation)
            expect_error(generation.exchange, 500, "generationFailed")
    for exchange in error_exchanges(context, 500):
        if exchange.request.method == "POST":
            expect_error(exchange, 500, "generationFailed")

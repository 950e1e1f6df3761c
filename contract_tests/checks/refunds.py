"""Refunds of failed generations and of missing images (LED-2, LED-3, ERR-6)."""

from __future__ import annotations

from mockhub.verify import oracle
from mockhub.verify.assertions import (
    assert_equal,
    assert_image_fields,
    expect,
    expect_error,
    require_field,
    require_response,
)
from mockhub.verify.charge_assertions import assert_charged, assert_unchanged_on_reread, unit_price
from mockhub.verify.check import check
from mockhub.verify.context import CheckContext
from mockhub.verify.generation import ObservedGeneration
from mockhub.verify.generation_assertions import assert_completed
from mockhub.verify.outcomes import Failed, Inconclusive

_MIN_PRICE = oracle.min_price()


@check("LED-2", "ERR-6", requires=("provider_failure",), fixtures=("failure",))
def ledger_refunds_failed_generation(context: CheckContext) -> None:
    """The provider fails: 500 generationFailed, and the balance is as before."""
    generation = context.generation("failure")
    expect_error(generation.exchange, 500, "generationFailed")
    assert_refunded(generation)


@check("LED-2", requires=("provider_failure",), fixtures=("failure_async",))
def ledger_refunds_failed_task(context: CheckContext) -> None:
    """The provider fails a task: everything is refunded, once."""
    generation = context.generation("failure_async")
    if require_response(generation.exchange).status != 202:
        raise Inconclusive(
            f"the task was answered {generation.exchange.status}", generation.exchange
        )
    if not generation.finished and not any(poll.status == 500 for poll in generation.polls):
        raise Inconclusive("the task did not end", *generation.polls[-1:])
    if generation.final_body.get("status") == "succeeded":
        raise Inconclusive("the provider did not fail", generation.final_exchange)
    if generation.measured_alone:
        assert_refunded(generation)
    else:
        assert_group_refund(context, generation, generation.n * unit_price(generation))


def assert_group_refund(
    context: CheckContext, generation: ObservedGeneration, expected_refund: int
) -> None:
    """Hold a task that ran beside others to its refund: together they took what they cost."""
    for group in context.generation_groups:
        charged = group[0].charged
        if generation not in group or charged is None:
            continue
        excess = charged - sum(one.reported_cost or 0 for one in group)
        if excess == expected_refund:
            raise Failed(
                f"{expected_refund} credits too many left the balance, which this task cost",
                generation.final_exchange,
                expected="what was not delivered refunded, once",
            )
        if excess:
            raise Inconclusive(
                f"{excess} credits too many left the balance", generation.final_exchange
            )
        return
    raise Inconclusive("the balance could not be read", generation.exchange)


def assert_refunded(generation: ObservedGeneration) -> None:
    assert_unchanged_on_reread(generation)
    if (
        not generation.measured_alone
        or generation.balance_before is None
        or generation.balance_after is None
    ):
        raise Inconclusive("the balance could not be read on its own", generation.exchange)
    if generation.balance_before != generation.balance_after:
        raise Failed(
            f"the balance was {generation.balance_before} and is {generation.balance_after}",
            generation.final_exchange,
            expected=f"{generation.balance_before} credits, as before",
        )


@check("LED-2", requires=("provider_failure", "low"), cost=_MIN_PRICE)
def ledger_refunds_charged_account(context: CheckContext) -> None:
    """The refund of a failure goes to the account that was charged."""
    prompt = context.profile.provider_failure
    for role in ("low", "other"):
        if role not in context.profile.keys or context.credits(role) < _MIN_PRICE:
            continue
        before, valid = context.credits(role), context.credits()
        exchange = context.client.post(
            context.request_body(prompt=prompt), key=role, cost=_MIN_PRICE
        )
        if require_response(exchange).status != 500:
            raise Inconclusive(f"the provider did not fail but {exchange.status}", exchange)
        assert_equal(
            before, context.wait_for_credits(before, role), f"the balance of {role}", exchange
        )
        assert_equal(valid, context.credits(), "the balance of another user", exchange)
        return
    raise Inconclusive("neither low nor other has credits for one image")


@check("LED-3", requires=("partial",), fixtures=("partial",))
def ledger_refunds_missing_images(context: CheckContext) -> None:
    """Fewer images than requested: the rest is refunded, usage is for those delivered."""
    generation = context.generation("partial")
    expect(generation.exchange, 200)
    assert_partial_refund(context, generation)
    reported_balance = require_field(generation.body, "balance.credits", int, generation.exchange)
    if generation.balance_after is not None and generation.measured_alone:
        assert_equal(
            generation.balance_after,
            reported_balance,
            "balance.credits beside GET /credits",
            generation.exchange,
        )


@check("LED-3", requires=("partial",), fixtures=("partial_async",))
def ledger_refunds_missing_task_images(context: CheckContext) -> None:
    """A task that delivers fewer images costs those, and the rest is refunded once."""
    generation = context.generation("partial_async")
    expect(generation.exchange, 202)
    assert_completed(context, generation)
    assert_partial_refund(context, generation)


def assert_partial_refund(context: CheckContext, generation: ObservedGeneration) -> None:
    assert context.profile.partial
    delivered, price = context.profile.partial.delivered, unit_price(generation)
    images = require_field(generation.final_body, "images", list, generation.final_exchange)
    assert_equal(delivered, len(images), "the number of images", generation.final_exchange)
    assert_image_fields(images, generation.final_exchange)
    reported_cost = require_field(
        generation.final_body, "usage.credits", int, generation.final_exchange
    )
    assert_equal(delivered * price, reported_cost, "usage.credits", generation.final_exchange)
    if (
        generation.measured_alone
        and generation.balance_before is not None
        and generation.balance_after is not None
    ):
        assert_charged(generation, delivered * price)
    elif not generation.measured_alone:
        assert_group_refund(context, generation, (generation.n - delivered) * price)
    reread = context.client.get(f"generations/{generation.id}")
    if reread.status == 200:
        reread_cost = require_field(expect(reread, 200), "usage.credits", int, reread)
        assert_equal(delivered * price, reread_cost, "usage.credits when read back", reread)
        assert_equal(
            delivered,
            len(require_field(expect(reread, 200), "images", list, reread)),
            "images",
            reread,
        )


@check("ERR-6", requires=("provider_failure",), fixtures=("failure",))
def errors_500_have_documented_code(context: CheckContext) -> None:
    """A failed generation is 500 generationFailed."""
    expect_error(context.generation("failure").exchange, 500, "generationFailed")

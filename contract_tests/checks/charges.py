"""Each generation is charged once (LED-1)."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from itertools import product

from mockhub.verify import oracle
from mockhub.verify.assertions import (
    assert_distinct_generations,
    assert_equal,
    assert_field,
    expect,
    expect_error,
    find_balance,
    require_complete_balance,
    require_field,
)
from mockhub.verify.charge_assertions import (
    assert_balances_match_costs,
    assert_charged,
    assert_consistent,
    assert_rejections_not_charged,
    resend_lost,
    small_size,
    unit_price,
)
from mockhub.verify.check import check
from mockhub.verify.concurrent_requests import SimultaneousRequest
from mockhub.verify.context import CheckContext
from mockhub.verify.fixtures import ALL_FIXTURES, COUNTS, GenerationFixture, request_of_turn, vary
from mockhub.verify.generation import (
    ObservedGeneration,
    create_generation,
    encode_request,
    poll_status,
    reported_credits,
)
from mockhub.verify.generation_assertions import (
    assert_completed,
    assert_distinct_images,
    assert_ratio_of_size,
    completed_generations,
)
from mockhub.verify.outcomes import Failed, Inconclusive, Skipped, failures_about
from mockhub.verify.threads import parallel

_MIN_PRICE = oracle.min_price()
_SPARE_IMAGES = 3, 7  # that later checks need, at level documented and inferred
_MAX_LOW_IMAGES = 10  # that later checks pay for with the credits of `low`
_EXAMPLES = ("example", "example_form", "example_async")


@check("LED-1", "END-2", fixtures=ALL_FIXTURES)
def ledger_charges_once(context: CheckContext) -> None:
    """Charge the final cost exactly once, for responses and for tasks."""
    for group in context.generation_groups:
        _assert_group_charge(group)
    for generation in completed_generations(context, ALL_FIXTURES):
        _assert_charged_before_end(generation)
        known = generation.charged is not None and generation.reported_cost is not None
        if generation.measured_alone and known:
            assert_charged(generation, generation.n * unit_price(generation))


def _assert_charged_before_end(generation: ObservedGeneration) -> None:
    """Require a task that was seen processing to have been charged by then."""
    before, read = generation.balance_before, generation.balance_in_progress
    cost = generation.reported_cost
    if before is None or read is None or read.status != 200 or not cost:
        return
    credits = find_balance(read.json_object, read)
    if credits > before - cost:
        raise Failed(
            f"the balance was {before} before the request and is {credits} in progress",
            generation.exchange,
            read,
            expected=f"at most {before - cost}: credits are charged before the generation",
        )


@check("LED-1", requires=("provider_failure",), cost=4 * oracle.max_price(), account="valid")
def ledger_charges_running_tasks_their_price(context: CheckContext) -> None:
    """Charge a task, while it is in progress, its price or nothing yet; a failing one is free."""
    if context.is_slow:
        raise Skipped("responses take too long to read a balance while a task is in progress")
    for turn, (is_form, n) in enumerate(product((False, True), COUNTS), 8 * context.seed):
        fixture = request_of_turn(turn, is_form=is_form, is_task=True)
        fixture = replace(fixture, n=n, trigger="provider_failure")
        before = context.credits()
        task = create_generation(context.client, f"failing task {turn}", fixture)
        with context.in_progress(task):
            read = context.client.get("credits")
        context.adopt_generation(task)
        if task.exchange.status == 202 and poll_status(task.polls[0]) in ("queued", "processing"):
            charged = before - find_balance(expect(read, 200), read)
            price = require_field(task.body, "usage.credits_requested", int, task.exchange)
            if charged not in (0, price):
                message = f"{charged} credits are charged while a task is in progress"
                raise Failed(message, task.exchange, read, expected=f"{price}, or none yet")
        if context.credits() != before:
            return  # a refund that comes later would disturb the next task


def _assert_group_charge(group: list[ObservedGeneration]) -> None:
    """Require generations that ran at the same time to be charged what they cost together."""
    charged = group[0].charged
    if len(group) < 2 or charged is None:
        return
    if any(generation.reported_cost is None and generation.accepted for generation in group):
        return
    cost = sum(generation.reported_cost or 0 for generation in group)
    if charged != cost:
        before, after = group[0].balance_before, group[0].balance_after
        raise Failed(
            f"the balance went from {before} to {after} for generations that cost {cost} together",
            *(generation.final_exchange for generation in group),
            expected=f"{cost} credits charged",
        )


@check(
    *("LED-1", "GEN-3", "ERR-6"),
    fixtures=("portrait", "form_task"),
    cost=7 * _MIN_PRICE,
    account="valid",
)
def ledger_charges_crossing_requests(context: CheckContext) -> None:
    """Charge tasks and an image, requested at the same moment, after refunds, beside failures.

    The second request is sent with a second key of the user, if the state handlers have one.
    """
    for name in ("portrait", "form_task"):  # before the balance is read
        context.generation(name)
    before = context.credits()
    if context.profile.provider_failure and context.seed % 2:  # else after a partial delivery
        context.client.post(_failing_body(context), cost=_MIN_PRICE)
    generations = _cross_requests(context, before)
    for generation in generations:
        expect(generation.exchange, 202 if generation.fixture.asynchronous else 200)
    assert_distinct_generations([generation.exchange for generation in generations])
    parallel([partial(context.adopt_generation, one) for one in generations])
    assert_distinct_images(generations)
    for generation in generations:
        assert_completed(context, generation)
        if generation.fixture.asynchronous:
            asked = generation.n * unit_price(generation)
            with failures_about("ASY-4"):
                assert_field(generation.body, "usage.credits_requested", asked, generation.exchange)
        with failures_about("GEN-5"):
            assert_ratio_of_size(generation)
    total = sum(assert_consistent(context, generation) for generation in generations)
    after = context.wait_for_credits(before - total)
    exchanges = [generation.exchange for generation in generations]
    with failures_about("LED-3" if after == before - sum(map(_full_price, generations)) else ""):
        assert_equal(after, before - total, "the balance after all of them", *exchanges)


def _full_price(generation: ObservedGeneration) -> int:
    """Return the price of all images that were requested."""
    return generation.n * unit_price(generation)


def _cross_requests(context: CheckContext, before: int) -> list[ObservedGeneration]:
    """Send a partial task, then a synchronous request, another task or both, and a failure."""
    sizes = [small_size(context, context.seed + at) for at in range(3)]
    task, image = context.fixtures["example_async"], context.fixtures["example"]
    context.client.budget.settle()
    several = _partial_task(context, task) if context.profile.partial else task
    n = context.profile.partial.n if context.profile.partial else 2
    images_left = context.client.budget.remaining // _MIN_PRICE
    is_short = images_left < n + 3
    planned = [(task if is_short else several, 1 if is_short else n), (image, 1)]
    low_images = math.ceil((context.client.budget.latest("low") or 0) / _MIN_PRICE)
    spare = _SPARE_IMAGES[not context.documented] + min(low_images, _MAX_LOW_IMAGES)
    if images_left >= n + spare:
        planned.insert(1, (task, 1))
    elif context.seed % 2 and not is_short:
        planned[1] = (task, 1)
    planned = [(vary(one, context.seed + at), n) for at, (one, n) in enumerate(planned)]
    keys = ("valid", context.second_key or "valid", "valid")
    requests = [
        SimultaneousRequest(key, _crossing_body(context, fixture, n, size), cost=n * _MIN_PRICE)
        for (fixture, n), size, key in zip(planned, sizes, keys, strict=False)
    ]
    failing = []
    if context.profile.provider_failure and not is_short:
        failing.append(SimultaneousRequest("valid", _failing_body(context), cost=_MIN_PRICE))
    # A partial task comes first, so that the others are charged before its refund. The image is
    # charged while the tasks are in progress.
    tasks = sum(bool(fixture.asynchronous) for fixture, _ in planned)
    first = len(planned) if context.is_slow else tasks
    exchanges = context.client.send_simultaneously(
        [*requests[:first], *failing], ahead=0 if is_short else 1
    )
    exchanges[first:first] = context.client.send_simultaneously(requests[first:])
    requests += failing
    for exchange in exchanges[len(planned) :]:
        if exchange.status == 200:
            raise Inconclusive("HTTP 200 where the provider should fail", exchange)
        with failures_about("ERR-6"):
            expect_error(exchange, 500, "generationFailed")
    reported = [reported_credits(exchange.json_object) or 0 for exchange in exchanges]
    if not any(exchange.status == 202 for exchange in exchanges):  # which may not be charged yet
        resend_lost(context, requests, exchanges, before - sum(reported))
    return [
        ObservedGeneration(
            f"crossing {n} x {size}", fixture, n, size, exchange, finished=exchange.status == 200
        )
        for (fixture, n), size, exchange in zip(planned, sizes, exchanges, strict=False)
    ]


def _partial_task(context: CheckContext, task: GenerationFixture) -> GenerationFixture:
    """Return *task* as a partial delivery, of the media type that `partial_async` has not."""
    takes_forms = context.generation("form_task").exchange.status == 202
    is_form = takes_forms and not context.fixtures["partial_async"].is_form
    return replace(task, trigger="partial", prompt="", is_form=is_form)


def _crossing_body(context: CheckContext, fixture: GenerationFixture, n: int, size: str) -> object:
    partial = context.profile.partial
    is_partial = fixture.trigger and partial
    prompt = partial.prompt if is_partial and partial else f"A crossing, {context.seed}, {n}"
    return encode_request(replace(fixture, n=n, size=size), prompt)


def _failing_body(context: CheckContext) -> dict[str, object]:
    return context.request_body(prompt=context.profile.provider_failure)


@check("LED-1", fixtures=ALL_FIXTURES)
def ledger_charges_only_accepted_requests(context: CheckContext) -> None:
    """Charge nothing for reads, polls and rejected requests."""
    assert_rejections_not_charged(context, ignored_status=402)


@check("LED-1", "CRD-3", fixtures=ALL_FIXTURES)
def ledger_balance_matches_costs(context: CheckContext) -> None:
    """Reduce the balance by the cost of the generations, and no other user's balance."""
    assert_balances_match_costs(context)


@check("LED-1", "CRD-3", fixtures=("example",), last=True, pays_nothing=True)
def ledger_is_unchanged_at_end(context: CheckContext) -> None:
    """Keep the balance of each account as it was after the last request that it paid for."""
    context.completed("example")
    roles = list(context.starting_balances)
    known_balances = [
        context.settled_balances.get(role, context.last_balance(role)) for role in roles
    ]
    reads = context.run_batch([partial(context.client.get, "credits", role) for role in roles])
    for role, known, exchange in zip(roles, known_balances, reads, strict=True):
        balance = find_balance(expect(exchange, 200), exchange)
        require_complete_balance(exchange)
        if known is not None:
            assert_equal(balance, known, f"the balance of {role} at the end", exchange)


@check("LED-1", level="inferred", fixtures=_EXAMPLES, cost=3 * _MIN_PRICE)
def ledger_charges_repeated_requests(context: CheckContext) -> None:
    """Create and charge a second generation if a request is repeated: in JSON, a form or a task."""
    for name in _EXAMPLES:
        first, before = context.completed(name), context.credits()
        second = create_generation(context.client, f"{name} again", first.fixture)
        body = expect(second.exchange, first.exchange.status)
        context.adopt_generation(second)
        if body.get("id") == first.id:
            raise Failed("both have the same id", second.exchange, expected="different ids")
        assert_distinct_images([first, second])
        after = context.wait_for_credits(before - _MIN_PRICE)
        what = "the balance after the second generation"
        assert_equal(after, before - _MIN_PRICE, what, second.final_exchange)

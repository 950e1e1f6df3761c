"""Assertions that requests are rejected with the documented errors, shared by the checks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import product
from typing import TypedDict, Unpack
from zlib import crc32

from mockhub.verify import oracle
from mockhub.verify.assertions import FailedCases, expect_error
from mockhub.verify.context import CheckContext
from mockhub.verify.exchange import Exchange
from mockhub.verify.fixtures import SMALL_SIZES, GenerationFixture, request_of_turn
from mockhub.verify.generation import ObservedGeneration, post_fields
from mockhub.verify.outcomes import CheckOutcome, Failed, Inconclusive
from mockhub.verify.polling import unknown_key

OVERRIDE_HEADERS = ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override")
PROTECTED_FIXTURES = ("example", "example_async", "failure_async")  # read with all kinds of keys


class Credentials(TypedDict, total=False):
    """How a request authenticates; by default with the key `valid`."""

    key: str | None
    headers: Mapping[str, str]


def expect_invalid_requests(cases: Iterable[tuple[str, Exchange]]) -> None:
    """Require 400 invalid_request in each of *cases*, which say what was sent.

    Nothing more is taken from *cases* after a request that was accepted.
    """
    expect_errors(cases, 400, "invalid_request")


def expect_errors(cases: Iterable[tuple[str, Exchange]], status: int, *codes: str) -> None:
    """Require an error in each of *cases*; see `expect_invalid_requests`."""
    with FailedCases() as failures:
        for description, exchange in cases:
            with failures.case(description):
                expect_error(exchange, status, *codes)
            if not failures.may_continue:
                break


def expect_rejection(
    context: CheckContext,
    *changes: Mapping[str, object],
    also_form: bool = True,
    in_each_mode: bool = True,
) -> None:
    """Require requests with *changes* to be rejected with 400, in JSON and in a form.

    Each is sent as a synchronous request and as a task, or, if not *in_each_mode*, as one of them.
    The other fields change with the seed: a server may check a field in some branches only.
    """
    calls: list[Callable[[], Exchange]] = []
    cases: list[str] = []
    media = (False, True) if also_form else (False,)
    with context.expect_no_charge("an invalid request"):
        for (number, change), is_task, is_form in product(
            enumerate(changes, context.seed), (False, True), media
        ):
            if is_task and "async" in change:
                continue
            if not in_each_mode and is_task == (number + is_form) % 2:
                continue
            fixture = _small_request(context, number + is_task, is_form, is_task)
            changed = {**_open_fields(fixture), **change}
            fields, cost = context.request_body(**changed), _max_cost(changed)
            calls.append(partial(post_fields, context.client, fixture, fields, "valid", cost=cost))
            cases.append(_describe(fixture, {**change, **changed}))
        expect_invalid_requests(zip(cases, context.run_batch(calls), strict=True))


def expect_near_misses_rejected(
    context: CheckContext, field: str, near_misses: Sequence[str], *, also_form: bool = True
) -> None:
    """Require texts that resemble a valid value of *field* to be rejected.

    A comparison that ignores a part of the text, or a pattern without an end, accepts them. Slow
    servers get every fourth one, as the seed decides.
    """
    if context.is_slow:
        near_misses = near_misses[context.seed % 4 :: 4]
    changes = [{field: text} for text in near_misses]
    expect_rejection(context, *changes, also_form=also_form, in_each_mode=False)


def _small_request(
    context: CheckContext, turn: int, is_form: bool, is_task: bool
) -> GenerationFixture:
    """Return a request of images at the lowest price.

    Of several, unless the budget does not cover them, or should cover many requests at once.
    """
    fixture = request_of_turn(turn, is_form=is_form, is_task=is_task, sizes=SMALL_SIZES)
    costs = [oracle.max_price() * fixture.image_count] * 2
    is_single = context.is_slow or context.affordable_count(costs) < len(costs)
    return replace(fixture, n=None) if is_single else fixture


def _open_fields(fixture: GenerationFixture) -> dict[str, object]:
    """Return the fields of a request but its model and prompt; `...` removes one."""
    fields = {"size": ..., "n": ..., **fixture.fields("")}
    return {name: value for name, value in fields.items() if name not in ("model", "prompt")}


def _max_cost(changed: Mapping[str, object]) -> int:
    n = 1 if (n := changed.get("n", 1)) is ... else n
    count = int(n) + 1 if isinstance(n, float) else n if isinstance(n, int) else 4
    is_small = "model" not in changed and changed["size"] in SMALL_SIZES
    return (oracle.min_price() if is_small else oracle.max_price()) * max(count, 1)


def _describe(fixture: GenerationFixture, fields: Mapping[str, object]) -> str:
    media, count = "a form" if fixture.is_form else "JSON", len(fixture.files)
    files = f", and {count} file{'s' * (count > 1)}" if count else ""
    return f"{media} with {describe_fields(fields)}{files}"


def describe_fields(change: Mapping[str, object]) -> str:
    """Return the changed fields of a request as text."""
    return ", ".join(
        f"no {name}" if value is ... else f"{name} {json.dumps(value)[:60]}"
        for name, value in change.items()
    )


def protected_operations(
    context: CheckContext, turns: Iterable[int], **credentials: Unpack[Credentials]
) -> Iterator[tuple[str, Callable[[], Exchange]]]:
    """Iterate over the operations that need a key, with a function that calls each.

    Generations are requested in each media type and mode, as `request_of_turn` of each of *turns*.
    """
    client = context.client
    yield "GET /credits", partial(client.get, "credits", **credentials)
    known = _known_generations(context)
    for generation in known:
        name = f"GET /generations/{{id of {generation.name}}}"
        yield name, partial(client.get, generation.path, **credentials)
    if context.documented and not known:
        unknown = partial(client.get, "generations/clx_no_such_generation", **credentials)
        yield "GET /generations/{id}", unknown
    if not context.documented:  # whether the key is checked before the id is an open point
        unknown = partial(client.get, "generations/clx_none", **credentials)
        yield "GET /generations/{unknown id}", unknown
    if not client.read_only:
        for turn, is_form, is_task in product(turns, (False, True), (False, True)):
            fixture = _small_request(context, turn, is_form, is_task)
            fields = context.request_body(**_open_fields(fixture))
            cost = oracle.min_price() * fixture.image_count
            post = partial(post_fields, client, fixture, fields, cost=cost, **credentials)
            yield f"POST of {_describe(fixture, _open_fields(fixture))},", post


def _known_generations(context: CheckContext) -> list[ObservedGeneration]:
    """Return generations that exist, so that a 404 cannot hide a missing 401.

    What a server stores, caches or archives differs with the mode and the outcome.
    """
    known = []
    for name in PROTECTED_FIXTURES:
        with suppress(CheckOutcome):
            if (generation := context.generation(name)).accepted and generation.id:
                known.append(generation)
    return known


def expect_unauthorized(
    context: CheckContext,
    *codes: str,
    case: str,
    turns: int = 1,
    **credentials: Unpack[Credentials],
) -> None:
    """Require every protected operation to return 401 with one of *codes*, without a charge.

    With four *turns* generations of each number of images are requested.
    """
    first = context.seed + crc32(case.encode())
    last = first + (1 if context.is_slow else turns)
    operations = protected_operations(context, range(first, last), **credentials)
    names, calls = zip(*operations, strict=True)
    with context.expect_no_charge(f"a request {case}"):
        cases = [f"{name} {case}" for name in names]
        expect_errors(zip(cases, context.run_batch(calls), strict=True), 401, *codes)
    record = context.no_charge_checks[-1] if context.no_charge_checks else None
    if record and record.balance_before != record.balance_after:
        raise Failed(
            f"{record.description} changed the balance "
            f"from {record.balance_before} to {record.balance_after}",
            record.exchange,
            expected=f"still {record.balance_before} credits",
        )


def error_exchanges(context: CheckContext, *statuses: int) -> list[Exchange]:
    """Return the exchanges so far with an error whose shape is documented."""
    return [
        exchange
        for exchange in context.client.exchanges
        if exchange.status >= 400
        and not exchange.request.unspecified
        and "/api/v1/" in exchange.request.url
        and (not statuses or exchange.status in statuses)
    ]


def provoke_errors(context: CheckContext, *statuses: int) -> None:
    """Send free requests that are rejected, if no error was returned, as in a run of one clause."""
    if error_exchanges(context, *statuses):
        return
    for key in (None, unknown_key()):
        context.client.get("credits", key=key)
    context.client.get("generations/clx_none")
    if not context.client.read_only:
        context.client.post(context.request_body(prompt=...), cost=oracle.min_price())


def expect_error_codes(context: CheckContext, status: int, *codes: str) -> None:
    """Require every response so far with *status* to have one of *codes*."""
    provoke_errors(context, status)
    exchanges = error_exchanges(context, status)
    for exchange in exchanges:
        expect_error(exchange, status, *codes)
    if not exchanges:
        raise Inconclusive(f"there was no response with HTTP {status}")

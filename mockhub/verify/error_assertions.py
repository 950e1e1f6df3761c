"""Assertions that requests are rejected with the documented errors, shared by the checks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from mockhub.verify import oracle
from mockhub.verify.assertions import expect_error
from mockhub.verify.context import CheckContext
from mockhub.verify.exchange import Exchange
from mockhub.verify.outcomes import CheckOutcome, Failed, Inconclusive


def expect_rejection(
    context: CheckContext, *changes: Mapping[str, Any], also_form: bool = True
) -> None:
    """Hold requests with *changes* to 400 invalid_request, in JSON and in a form, for nothing."""
    with context.expect_no_charge("a request that is refused"):
        calls, cases, max_cost = [], [], max(map(_max_cost, changes))
        for change in changes:
            cost, post = _max_cost(change), context.client.post
            calls.append(partial(post, context.request_body(**change), cost=cost))
            cases.append((change, "JSON"))
            if also_form:
                calls.append(partial(post, form=context.form_fields(**change), cost=cost))
                cases.append((change, "a form"))
        for exchange, (change, encoding) in zip(
            context.run_batch(calls, cost=max_cost), cases, strict=True
        ):
            expect_invalid_request(exchange, change, encoding)


def _max_cost(change: Mapping[str, Any]) -> int:
    n = change.get("n", 1)
    return oracle.max_price() * (
        max(int(n) + 1, 1) if isinstance(n, float) else max(_as_count(n), 1)
    )


def _as_count(n: Any) -> int:
    return n if isinstance(n, int) else 4


def expect_invalid_request(exchange: Exchange, change: Mapping[str, Any], encoding: str) -> None:
    try:
        expect_error(exchange, 400, "invalid_request")
    except Failed as failure:
        changed_fields = ", ".join(
            f"{name} {'left out' if value is ... else json.dumps(value)[:60]}"
            for name, value in change.items()
        )
        raise Failed(
            f"{encoding} with {changed_fields}: {failure.message}",
            *failure.exchanges,
            expected=failure.expected,
        ) from None


def protected_operations(
    context: CheckContext, **options: object
) -> Iterator[tuple[str, Callable[[], Exchange]]]:
    """Every protected operation, ready to be asked with a key or with headers of one's own."""
    client = context.client
    yield "credits", lambda: client.get("credits", **options)  # type: ignore[arg-type]
    generation_id = _known_id(context) or "clx_no_such_generation"
    yield "retrieve", lambda: client.get(f"generations/{generation_id}", **options)  # type: ignore[arg-type]
    if not context.documented:  # whether a key is asked for before the id is looked up is open
        yield "retrieve what is not there", lambda: client.get("generations/clx_none", **options)  # type: ignore[arg-type]
    if not client.read_only:
        cost = oracle.min_price()
        yield "generate", lambda: client.post(context.request_body(), cost=cost, **options)  # type: ignore[arg-type]


def expect_unauthorized(context: CheckContext, *codes: str, case: str, **options: object) -> None:
    """Hold every protected operation to 401 with one of *codes*, and to taking nothing."""
    names, requests = zip(*protected_operations(context, **options), strict=True)
    with context.expect_no_charge(f"a request {case}"):
        for name, exchange in zip(
            names, context.run_batch(requests, cost=oracle.min_price()), strict=True
        ):
            try:
                expect_error(exchange, 401, *codes)
            except Failed as failure:
                raise Failed(
                    f"{name}, {case}: {failure.message}",
                    *failure.exchanges,
                    expected=failure.expected,
                ) from None
    record = context.no_charge_checks[-1] if context.no_charge_checks else None
    if record and record.balance_before != record.balance_after:
        message = f"{record.description} moved the balance from {record.balance_before} to {record.balance_after}"  # noqa: E501
        raise Failed(message, record.exchange, expected=f"{record.balance_before} credits still")


def _known_id(context: CheckContext) -> str | None:
    """The id of a generation that exists, so that a 404 cannot hide a missing 401."""
    try:
        return context.completed("example").id
    except CheckOutcome:
        return None


def unknown_key(context: CheckContext, tail: str = "") -> str:
    """A key of the documented form that nobody has."""
    key_format = oracle.api_spec().key_format
    secret = f"{context.seed:x}mockhubverify{tail}".ljust(key_format.length, "q")[
        : key_format.length
    ]
    return key_format.prefix + secret


def error_exchanges(context: CheckContext, *statuses: int) -> list[Exchange]:
    """The error answers so far, of which the page says how they look."""
    return [
        exchange
        for exchange in context.client.exchanges
        if exchange.status >= 400
        and not exchange.request.unspecified
        and "/api/v1/" in exchange.request.url
        and (not statuses or exchange.status in statuses)
    ]


def expect_error_codes(context: CheckContext, status: int, *codes: str) -> None:
    found = error_exchanges(context, status)
    for exchange in found:
        expect_error(exchange, status, *codes)
    if not found:
        raise Inconclusive(f"nothing was answered {status}")

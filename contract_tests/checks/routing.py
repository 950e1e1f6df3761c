"""Paths and methods (END-1 to END-6)."""

from __future__ import annotations

import json

from mockhub.verify import oracle
from mockhub.verify.assertions import (
    assert_equal,
    assert_expiration,
    balance_object,
    error_code,
    expect,
    expect_error,
    require_field,
    require_json,
    require_response,
)
from mockhub.verify.check import check
from mockhub.verify.context import CheckContext
from mockhub.verify.outcomes import Failed, Inconclusive, Skipped


@check("END-1", "AUTH-1")
def models_need_no_key(context: CheckContext) -> None:
    """GET /api/v1/models answers 200 without a key."""
    if context.model_list().status != 200:
        expect(context.model_list(), 200)
    require_json(context.model_list())


@check("END-1", "AUTH-1")
def models_accept_valid_key(context: CheckContext) -> None:
    """The list is the same with a valid key."""
    expected = require_json(context.model_list())
    exchange = context.client.get("models", key="valid")
    if exchange.status != 200:
        expect(exchange, 200)
    assert_equal(
        oracle.MODEL in str(expected), oracle.MODEL in exchange.text, "the model in it", exchange
    )


@check("END-2", "CRD-1", "CRD-2")
def credits_have_documented_fields(context: CheckContext) -> None:
    """GET /api/v1/credits tells credits, account_type and next_expiration."""
    exchange = require_response(context.client.get("credits"))
    if exchange.status == 401:
        raise Inconclusive("the key keys.valid is refused; is it right?", exchange)
    balance = balance_object(expect(exchange, 200), exchange)
    if require_field(balance, "credits", int, exchange) < 0:
        raise Failed("credits are negative", exchange, expected="0 or more")
    require_field(balance, "account_type", str, exchange, allow_empty=False)
    assert_expiration(dict(balance), exchange)


@check("END-5")
def unknown_paths_return_404(context: CheckContext) -> None:
    """An unknown path under /api/v1 answers 404 notFound in the documented shape."""
    for path in ("mockhub-nothing", "generations", "models/gpt-image-2", "images"):
        expect_error(context.client.get(path, unspecified=True), 404, "notFound")


@check("END-6", fixtures=("example",), cost=oracle.min_price())
def unknown_methods_have_no_effect(context: CheckContext) -> None:
    """PUT makes nothing, and DELETE removes nothing."""
    base, generation = context.profile.base_url, context.completed("example")
    if context.client.read_only:
        raise Skipped("--read-only sends nothing but GETs")
    content = json.dumps(context.request_body()).encode()
    reservation = context.client.budget.reserve(oracle.min_price())
    try:
        with context.expect_no_charge("a PUT"):
            exchange = context.client.send(
                "PUT",
                f"{base}/api/v1/images/generations",
                key="valid",
                headers={"Content-Type": "application/json"},
                content=content,
                unspecified=True,
            )
    finally:
        context.client.budget.release(reservation)
    if exchange.status not in (404, 405):
        raise Failed(f"HTTP {exchange.status} to PUT", exchange, expected="405 with Allow")
    url = f"{base}/api/v1/generations/{generation.id}"
    exchange = context.client.send("DELETE", url, key="valid", unspecified=True)
    if exchange.status not in (404, 405) or context.fetch(generation).status != 200:
        raise Failed(f"HTTP {exchange.status} to DELETE", exchange, expected="405 with Allow")


@check("END-6")
def unknown_methods_are_rejected(context: CheckContext) -> None:
    """A known path with a method that it does not have answers 405 or 404, in the error shape."""
    base = context.profile.base_url
    for method, path in (("DELETE", "models"), ("PUT", "credits"), ("GET", "images/generations")):
        exchange = context.client.send(
            method, f"{base}/api/v1/{path}", key="valid", unspecified=True
        )
        if exchange.status not in (404, 405):
            raise Failed(f"HTTP {exchange.status} to {method}", exchange, expected="405 with Allow")
        error_code(exchange)
        if exchange.status == 405 and "allow" not in exchange.headers:
            raise Failed("405 without Allow", exchange, expected="Allow: the methods that it has")

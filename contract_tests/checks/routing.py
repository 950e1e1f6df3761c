"""Paths and methods (END-1 to END-6)."""

from __future__ import annotations

import json

from mockhub.verify import oracle
from mockhub.verify.assertions import (
    assert_equal,
    error_code,
    expect,
    expect_error,
    require_complete_balance,
    require_json,
    require_response,
)
from mockhub.verify.check import check
from mockhub.verify.client import GENERATIONS
from mockhub.verify.context import CheckContext
from mockhub.verify.error_assertions import OVERRIDE_HEADERS
from mockhub.verify.exchange import Exchange
from mockhub.verify.generation_assertions import responses_to
from mockhub.verify.outcomes import Failed, Inconclusive, Skipped


@check("END-1", "AUTH-1")
def models_need_no_key(context: CheckContext) -> None:
    """Return the model list without a key."""
    exchange = context.model_list()
    if exchange.status != 200:
        expect(exchange, 200)
    require_json(exchange)


@check("END-1", "AUTH-1", pays_nothing=True)
def models_accept_valid_key(context: CheckContext) -> None:
    """Return the same model list with a valid key."""
    without_key = context.model_list()
    require_json(without_key)
    exchange = context.client.get("models", key="valid")
    if exchange.status != 200:
        expect(exchange, 200)
    listed, listed_with_key = oracle.MODEL in without_key.text, oracle.MODEL in exchange.text
    assert_equal(listed_with_key, listed, f"{oracle.MODEL} in the list", exchange)


@check("END-2", "CRD-1", "CRD-2", pays_nothing=True)
def credits_have_documented_fields(context: CheckContext) -> None:
    """Return credits, account_type and next_expiration from GET /api/v1/credits."""
    exchange = require_response(context.client.get("credits"))
    if exchange.status == 401:
        raise Inconclusive("HTTP 401 with keys.valid; is the key right?", exchange)
    if require_complete_balance(exchange) < 0:
        raise Failed("credits are negative", exchange, expected="0 or more")


@check("END-3", "END-4", fixtures=("example",), pays_nothing=True)
def generations_have_documented_paths(context: CheckContext) -> None:
    """Generate at POST /api/v1/images/generations, and read at GET /api/v1/generations/{id}."""
    generation = context.generation("example")
    read = context.client.get(generation.path)
    for clause, exchange in (("END-3", generation.exchange), ("END-4", read)):
        if require_response(exchange).status in (404, 405):
            message = f"HTTP {exchange.status} to {exchange.request.method} of a documented path"
            if exchange is read and responses_to(context, "GET generations", 200):
                message, clause = f"HTTP {read.status} to GET of a generation that exists", "RET-1"
            raise Failed(message, exchange, expected="HTTP 200", clause=clause)


@check("END-5", pays_nothing=True)
def unknown_paths_return_404(context: CheckContext) -> None:
    """Return 404 notFound for an unknown path under /api/v1."""
    for path in ("mockhub-nothing", "generations", "models/gpt-image-2", "images"):
        expect_error(context.client.get(path, unspecified=True), 404, "notFound")


@check("END-6", fixtures=("example",), cost=oracle.min_price())
def unknown_methods_have_no_effect(context: CheckContext) -> None:
    """Generate nothing on PUT, and remove nothing on DELETE."""
    base_url, generation = context.profile.base_url, context.completed("example")
    if context.client.read_only:
        raise Skipped("--read-only sends nothing but GETs")
    with context.expect_no_charge("a PUT"):
        _require_method_not_allowed(_put_generation(context))
    url = f"{base_url}/api/v1/{generation.path}"
    exchange = context.client.send("DELETE", url, key="valid", unspecified=True)
    _require_method_not_allowed(exchange)
    overrides = dict.fromkeys(OVERRIDE_HEADERS, "DELETE")
    overridden = context.client.get(generation.path, headers=overrides, unspecified=True)
    if context.fetch(generation).status != 200:
        message = "DELETE, or a header that names it, removed a generation"
        raise Failed(message, exchange, overridden, expected="405 with Allow")


def _put_generation(context: CheckContext) -> Exchange:
    return context.client.send(
        "PUT",
        f"{context.profile.base_url}{GENERATIONS}",
        key="valid",
        headers={"Content-Type": "application/json"},
        content=json.dumps(context.request_body()).encode(),
        unspecified=True,
        cost=oracle.min_price(),
    )


@check("END-6")
def unknown_methods_are_rejected(context: CheckContext) -> None:
    """Return 405 with Allow, or 404, in the error shape for other methods of a known path."""
    base_url = context.profile.base_url
    for method, path in (("DELETE", "models"), ("PUT", "credits"), ("GET", "images/generations")):
        url = f"{base_url}/api/v1/{path}"
        exchange = context.client.send(method, url, key="valid", unspecified=True)
        _require_method_not_allowed(exchange)


def _require_method_not_allowed(exchange: Exchange) -> None:
    if require_response(exchange).status not in (404, 405):
        raise Failed(
            f"HTTP {exchange.status} to {exchange.request.method}",
            exchange,
            expected="405 with Allow",
        )
    error_code(exchange)
    if exchange.status == 405 and "allow" not in exchange.headers:
        raise Failed("405 without Allow", exchange, expected="Allow with the methods")

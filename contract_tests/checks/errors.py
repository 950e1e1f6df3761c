"""What holds of everything that was answered; these checks come last."""

from __future__ import annotations

import json
from functools import partial

from mockhub.verify import oracle
from mockhub.verify.assertions import error_code, expect, expect_error
from mockhub.verify.check import check
from mockhub.verify.context import CheckContext
from mockhub.verify.exchange import Exchange
from mockhub.verify.outcomes import Failed, Inconclusive, Skipped
from mockhub.verify.parallel import parallel

_BURST, _MAX_CONCURRENT = 24, 5


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


@check("ERR-1")
def errors_have_documented_shape(context: CheckContext) -> None:
    """Every error is {error: {message, code}}."""
    found = error_exchanges(context)
    for exchange in found:
        if exchange.status not in (429, 503):
            error_code(exchange)
    if not found:
        raise Inconclusive("nothing was refused")


def _expect_codes(context: CheckContext, status: int, *codes: str) -> None:
    found = error_exchanges(context, status)
    for exchange in found:
        expect_error(exchange, status, *codes)
    if not found:
        raise Inconclusive(f"nothing was answered {status}")


@check("ERR-2")
def errors_400_have_documented_code(context: CheckContext) -> None:
    """Every 400 is invalid_request."""
    _expect_codes(context, 400, "invalid_request")


@check("ERR-3")
def errors_401_have_documented_code(context: CheckContext) -> None:
    """Every 401 is missingApiKey, invalidApiKey or expiredApiKey."""
    _expect_codes(context, 401, "missingApiKey", "invalidApiKey", "expiredApiKey")


@check("ERR-5")
def errors_404_have_documented_code(context: CheckContext) -> None:
    """Every 404 is notFound."""
    _expect_codes(context, 404, "notFound")


@check("ERR-6", requires=("provider_failure",), fixtures=("failure",))
def errors_500_have_documented_code(context: CheckContext) -> None:
    """A failed generation is 500 generationFailed."""
    expect_error(context.generation("failure").exchange, 500, "generationFailed")


@check("LIM-2")
def limits_exclude_request_rate(context: CheckContext) -> None:
    """There is no rate limit: many requests at once are answered, and 429 never comes."""
    burst = [partial(context.client.get, "credits") for _ in range(_BURST)]
    parallel(burst[:_MAX_CONCURRENT])  # servers with a short queue let no more wait
    list(context.run_batch(burst))
    for exchange in context.client.exchanges:
        if exchange.status == 429:
            raise Failed("HTTP 429", exchange, expected="no rate limit")


# What the page leaves open.


@check("ERR-7")
def responses_are_json(context: CheckContext) -> None:
    """Errors and answers alike are application/json, and messages are for a person."""
    for exchange in context.client.exchanges:
        if (
            "/api/v1/" not in exchange.request.url
            or exchange.error
            or exchange.request.method == "HEAD"
        ):
            continue
        media = exchange.headers.get("content-type", "").partition(";")[0].strip()
        if media != "application/json":
            raise Failed(f"content-type is {media!r}", exchange, expected="application/json")
        if exchange.status >= 400:
            error_code(exchange)
            if not expect(exchange, exchange.status)["error"]["message"].strip():
                raise Failed("error.message is empty", exchange, expected="a sentence")


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


@check("AUTH-7")
def responses_contain_no_keys(context: CheckContext) -> None:
    """No answer contains a raw key."""
    secrets = context.profile.keys.values()
    for exchange in context.client.exchanges:
        if any(raw in exchange.request.url for raw in secrets):
            continue  # the suite itself put it into the address
        head = " ".join(exchange.headers.values())
        for raw in secrets:
            if raw.encode() in exchange.content or raw in head:
                raise Failed(
                    "an answer contains a raw key", exchange, expected="no key in any answer"
                )
    if not context.client.exchanges:
        raise Skipped("nothing was exchanged")

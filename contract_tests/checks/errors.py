"""Errors of all responses so far: shape, codes, media type (ERR-1, 2, 5, 7, LIM-2)."""

from __future__ import annotations

from functools import partial

from mockhub.verify.assertions import error_code, expect
from mockhub.verify.check import check
from mockhub.verify.concurrent_requests import parallel
from mockhub.verify.context import CheckContext
from mockhub.verify.error_assertions import error_exchanges, expect_error_codes
from mockhub.verify.outcomes import Failed, Inconclusive

_BURST, _MAX_CONCURRENT = 24, 5


@check("ERR-1")
def errors_have_documented_shape(context: CheckContext) -> None:
    """Every error is {error: {message, code}}."""
    found = error_exchanges(context)
    for exchange in found:
        if exchange.status not in (429, 503):
            error_code(exchange)
    if not found:
        raise Inconclusive("nothing was refused")


@check("ERR-2")
def errors_400_have_documented_code(context: CheckContext) -> None:
    """Every 400 is invalid_request."""
    expect_error_codes(context, 400, "invalid_request")


@check("ERR-5")
def errors_404_have_documented_code(context: CheckContext) -> None:
    """Every 404 is notFound."""
    expect_error_codes(context, 404, "notFound")


@check("LIM-2")
def limits_exclude_request_rate(context: CheckContext) -> None:
    """There is no rate limit: many requests at once are answered, and 429 never comes."""
    burst = [partial(context.client.get, "credits") for _ in range(_BURST)]
    parallel(burst[:_MAX_CONCURRENT])  # servers with a short queue let no more wait
    list(context.run_batch(burst))
    for exchange in context.client.exchanges:
        if exchange.status == 429:
            raise Failed("HTTP 429", exchange, expected="no rate limit")


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

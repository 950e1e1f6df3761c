"""Errors of all responses so far: shape, codes, media type (ERR-1, 2, 5, 7, LIM-2)."""

from __future__ import annotations

from functools import partial

from mockhub.verify.assertions import assert_equal, error_code, expect, expect_error
from mockhub.verify.check import check
from mockhub.verify.context import CheckContext
from mockhub.verify.error_assertions import error_exchanges, expect_error_codes, provoke_errors
from mockhub.verify.outcomes import Failed, Inconclusive
from mockhub.verify.threads import parallel

_BURST = 24
_WARM_UP = 5  # concurrent requests that a server with a short queue accepts


# These see the errors of the whole run, whichever check has caused them.
@check("ERR-1", last=True)
def errors_have_documented_shape(context: CheckContext) -> None:
    """Return every error as {error: {message, code}}."""
    provoke_errors(context)
    exchanges = error_exchanges(context)
    for exchange in exchanges:
        if exchange.status not in (429, 503):
            error_code(exchange)
    if not exchanges:
        raise Inconclusive("no request was rejected")


@check("ERR-2", last=True)
def errors_400_have_documented_code(context: CheckContext) -> None:
    """Return invalid_request in every 400."""
    expect_error_codes(context, 400, "invalid_request")


@check("ERR-4", requires=("broke",), last=True)
def errors_402_have_documented_code(context: CheckContext) -> None:
    """Return insufficientCredits in every 402."""
    for exchange in error_exchanges(context, 402):
        expect_error(exchange, 402, "insufficientCredits")


@check("ERR-5", last=True)
def errors_404_have_documented_code(context: CheckContext) -> None:
    """Return notFound in every 404."""
    expect_error_codes(context, 404, "notFound")


@check("LIM-2", last=True, pays_nothing=True)
def limits_exclude_request_rate(context: CheckContext) -> None:
    """Never return 429, even to many requests at the same time."""
    burst = [partial(context.client.get, "credits") for _ in range(_BURST)]
    parallel(burst[:_WARM_UP])
    list(context.run_batch(burst))
    for exchange in (*context.client.exchanges, *context.client.transient_failures):
        if exchange.status == 429:
            raise Failed("HTTP 429", exchange, expected="no rate limit")


@check("ERR-7")
def responses_are_json(context: CheckContext) -> None:
    """Return application/json, not encoded unless asked, and errors with a message."""
    provoke_errors(context)
    for exchange in context.client.exchanges:
        is_api = "/api/v1/" in exchange.request.url and exchange.request.method != "HEAD"
        if not is_api or exchange.error:
            continue
        media_type = exchange.headers.get("content-type", "").partition(";")[0].strip()
        if media_type.lower() != "application/json":
            raise Failed(f"content-type is {media_type!r}", exchange, expected="application/json")
        if exchange.status >= 400:
            error_code(exchange)
            if not expect(exchange, exchange.status)["error"]["message"].strip():
                raise Failed("error.message is empty", exchange, expected="a sentence")
    for path in ("credits", "generations/clx_none"):
        exchange = context.client.get(path, headers={"Accept-Encoding": "identity"})
        encoding = exchange.headers.get("content-encoding", "identity")
        assert_equal(
            encoding.lower(), "identity", "content-encoding for Accept-Encoding: identity", exchange
        )

"""What holds of everything that was answered; these checks come last."""

from __future__ import annotations

import json
from functools import partial

from .. import oracle
from ..checks import check
from ..exchange import Exchange
from ..parallel import parallel
from ..reading import error_code, expect, expect_error
from ..stage import Stage
from ..verdicts import Broken, Inconclusive, NotAsked

_MANY, _AT_ONCE = 24, 5


def refusals(stage: Stage, *statuses: int) -> list[Exchange]:
    """The error answers so far, of which the page says how they look."""
    return [
        exchange
        for exchange in stage.target.exchanges
        if exchange.status >= 400
        and not exchange.ask.open
        and "/api/v1/" in exchange.ask.url
        and (not statuses or exchange.status in statuses)
    ]


@check("ERR-1")
def errors_are_in_the_documented_shape(stage: Stage) -> None:
    """Every error is {error: {message, code}}."""
    found = refusals(stage)
    for exchange in found:
        if exchange.status not in (429, 503):
            error_code(exchange)
    if not found:
        raise Inconclusive("nothing was refused")


def _coded(stage: Stage, status: int, *codes: str) -> None:
    found = refusals(stage, status)
    for exchange in found:
        expect_error(exchange, status, *codes)
    if not found:
        raise Inconclusive(f"nothing was answered {status}")


@check("ERR-2")
def errors_of_400(stage: Stage) -> None:
    """Every 400 is invalid_request."""
    _coded(stage, 400, "invalid_request")


@check("ERR-3")
def errors_of_401(stage: Stage) -> None:
    """Every 401 is missingApiKey, invalidApiKey or expiredApiKey."""
    _coded(stage, 401, "missingApiKey", "invalidApiKey", "expiredApiKey")


@check("ERR-5")
def errors_of_404(stage: Stage) -> None:
    """Every 404 is notFound."""
    _coded(stage, 404, "notFound")


@check("ERR-6", needs=("provider_failure",), uses=("failure",))
def errors_of_500(stage: Stage) -> None:
    """A failed generation is 500 generationFailed."""
    expect_error(stage.made("failure").exchange, 500, "generationFailed")


@check("LIM-2")
def limits_are_not_on_the_rate(stage: Stage) -> None:
    """There is no rate limit: many requests at once are answered, and 429 never comes."""
    burst = [partial(stage.target.get, "credits") for _ in range(_MANY)]
    parallel(burst[:_AT_ONCE])  # servers with a short queue let no more wait
    list(stage.together(burst))
    for exchange in stage.target.exchanges:
        if exchange.status == 429:
            raise Broken("HTTP 429", exchange, expected="no rate limit")


# What the page leaves open.


@check("ERR-7")
def errors_and_answers_are_json(stage: Stage) -> None:
    """Errors and answers alike are application/json, and messages are for a person."""
    for exchange in stage.target.exchanges:
        if "/api/v1/" not in exchange.ask.url or exchange.lost or exchange.ask.method == "HEAD":
            continue
        media = exchange.headers.get("content-type", "").partition(";")[0].strip()
        if media != "application/json":
            raise Broken(f"content-type is {media!r}", exchange, expected="application/json")
        if exchange.status >= 400:
            error_code(exchange)
            if not expect(exchange, exchange.status)["error"]["message"].strip():
                raise Broken("error.message is empty", exchange, expected="a sentence")


@check("END-5")
def unknown_paths_are_not_found(stage: Stage) -> None:
    """An unknown path under /api/v1 answers 404 notFound in the documented shape."""
    for path in ("mockhub-nothing", "generations", "models/gpt-image-2", "images"):
        expect_error(stage.target.get(path, open=True), 404, "notFound")


@check("END-6", uses=("page",), cost=oracle.unit())
def unknown_methods_do_nothing(stage: Stage) -> None:
    """PUT makes nothing, and DELETE removes nothing."""
    base, made = stage.profile.base_url, stage.good("page")
    if stage.target.safe:
        raise NotAsked("--safe sends nothing but GETs")
    content = json.dumps(stage.body()).encode()
    ticket = stage.target.meter.reserve(oracle.unit())
    try:
        with stage.free("a PUT"):
            exchange = stage.target.send(
                "PUT",
                f"{base}/api/v1/images/generations",
                key="valid",
                headers={"Content-Type": "application/json"},
                content=content,
                open=True,
            )
    finally:
        stage.target.meter.over(ticket)
    if exchange.status not in (404, 405):
        raise Broken(f"HTTP {exchange.status} to PUT", exchange, expected="405 with Allow")
    url = f"{base}/api/v1/generations/{made.id}"
    exchange = stage.target.send("DELETE", url, key="valid", open=True)
    if exchange.status not in (404, 405) or stage.read(made).status != 200:
        raise Broken(f"HTTP {exchange.status} to DELETE", exchange, expected="405 with Allow")


@check("END-6")
def unknown_methods_are_refused(stage: Stage) -> None:
    """A known path with a method that it does not have answers 405 or 404, in the error shape."""
    base = stage.profile.base_url
    for method, path in (("DELETE", "models"), ("PUT", "credits"), ("GET", "images/generations")):
        exchange = stage.target.send(method, f"{base}/api/v1/{path}", key="valid", open=True)
        if exchange.status not in (404, 405):
            raise Broken(f"HTTP {exchange.status} to {method}", exchange, expected="405 with Allow")
        error_code(exchange)
        if exchange.status == 405 and "allow" not in exchange.headers:
            raise Broken("405 without Allow", exchange, expected="Allow: the methods that it has")


@check("AUTH-7")
def auth_keeps_keys_to_itself(stage: Stage) -> None:
    """No answer contains a raw key."""
    secrets = stage.profile.keys.values()
    for exchange in stage.target.exchanges:
        if any(raw in exchange.ask.url for raw in secrets):
            continue  # the suite itself put it into the address
        head = " ".join(exchange.headers.values())
        for raw in secrets:
            if raw.encode() in exchange.content or raw in head:
                raise Broken(
                    "an answer contains a raw key", exchange, expected="no key in any answer"
                )
    if not stage.target.exchanges:
        raise NotAsked("nothing was exchanged")

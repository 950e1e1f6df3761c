"""Asynchronous generation: the 202 response and its poll_url (ASY-1 to ASY-4)."""

from __future__ import annotations

from functools import partial
from urllib.parse import unquote, urlsplit

from mockhub.verify import oracle
from mockhub.verify.assertions import (
    assert_common_fields,
    assert_equal,
    assert_field,
    expect,
    require_field,
    require_timestamp,
)
from mockhub.verify.check import check
from mockhub.verify.context import CheckContext
from mockhub.verify.exchange import Exchange
from mockhub.verify.fixtures import COUNTS, TASK_FIXTURES
from mockhub.verify.generation import ObservedGeneration, poll_status
from mockhub.verify.generation_assertions import (
    accepted_tasks,
    responses_to,
    submitted_tasks,
)
from mockhub.verify.outcomes import Failed
from mockhub.verify.polling import is_own_url


@check("ASY-1", fixtures=TASK_FIXTURES)
def tasks_start_queued(context: CheckContext) -> None:
    """Return 202 with an id, status queued and no images for async true."""
    for generation, body in submitted_tasks(context):
        require_field(body, "id", str, generation.exchange, allow_empty=False)
        assert_field(body, "status", "queued", generation.exchange)
        assert_field(body, "images", [], generation.exchange)


@check("ASY-2", fixtures=TASK_FIXTURES, pays_nothing=True)
def tasks_return_poll_url(context: CheckContext) -> None:
    """Return an absolute poll_url that is GET /api/v1/generations/{id of the task}."""
    tasks = submitted_tasks(context)
    urls = [require_field(body, "poll_url", str, one.exchange) for one, body in tasks]
    own = [url for url in urls if is_own_url(context.client, url)]
    payers = [one.payer for (one, _), url in zip(tasks, urls, strict=True) if url in own]
    calls = [partial(context.client.get, *each) for each in zip(own, payers, strict=True)]
    reads = context.run_batch(calls)
    for (generation, _), url in zip(tasks, urls, strict=True):
        _assert_poll_url(context, generation.id, url, generation.exchange)
        if url in own:
            exchange = next(reads)
            failed_task = exchange.status == 500 and not generation.finished
            if exchange.status != 200 and not failed_task:
                outcome = "no response" if exchange.error else f"HTTP {exchange.status}"
                raise Failed(
                    f"{outcome} at poll_url", exchange, generation.exchange, expected="HTTP 200"
                )


def _assert_poll_url(context: CheckContext, id: str | None, url: str, exchange: Exchange) -> None:
    path = f"/api/v1/generations/{id}"
    split = urlsplit(url)
    is_absolute = split.scheme in ("http", "https") and split.netloc
    is_foreign = context.client.loopback and not is_own_url(context.client, url)
    if not is_absolute or not unquote(split.path).endswith(path) or is_foreign:
        message, expected = f"poll_url is {url!r}", f"https://...{path}"
        raise Failed(message, exchange, expected=expected, clause="ASY-2")


@check("ASY-3", "ASY-4", "GEN-2", fixtures=TASK_FIXTURES, last=True)
def tasks_return_documented_fields(context: CheckContext) -> None:
    """Return the ten documented fields in every 202 response, whichever check asked for it."""
    submitted_tasks(context)
    for exchange in responses_to(context, "POST images", 202):
        body = expect(exchange, 202)
        assert_common_fields(body, exchange)
        assert_field(body, "status", "queued", exchange)
        assert_field(body, "usage.credits", 0, exchange)
        requested = require_field(body, "usage.credits_requested", int, exchange)
        price = oracle.prices().get(str(body["quality"]))
        if price and requested not in {n * price for n in COUNTS}:
            message = f"usage.credits_requested is {requested} at {body['quality']}"
            expected = f"1 to 4 times {price}"
            raise Failed(message, exchange, expected=expected, clause="ASY-4")
        created_at = require_field(body, "created_at", str, exchange)
        require_timestamp(created_at, "created_at", exchange)
        url = require_field(body, "poll_url", str, exchange, allow_empty=False)
        _assert_poll_url(context, body["id"], url, exchange)


@check("ASY-4", fixtures=TASK_FIXTURES)
def tasks_return_credits_requested(context: CheckContext) -> None:
    """Return usage {credits: 0, credits_requested: n x tier price} while a task is queued."""
    for generation, _ in submitted_tasks(context):
        _assert_credits_requested(generation)


def _assert_credits_requested(generation: ObservedGeneration) -> None:
    """Require usage {credits: 0, credits_requested} in the 202 response and queued polls.

    The documentation does not show a poll, so that its credits_requested may be missing.
    """
    tier = require_field(generation.body, "quality", str, generation.exchange)
    tier_price = oracle.prices().get("1K" if generation.size == "1024x1024" else tier, 0)
    queued = [poll for poll in generation.polls if poll_status(poll) == "queued"]
    for exchange in (generation.exchange, *queued):
        response = expect(exchange, exchange.status)
        assert_field(response, "usage.credits", 0, exchange)
        if exchange is generation.exchange or "credits_requested" in response["usage"]:
            cost = generation.n * tier_price
            assert_field(response, "usage.credits_requested", cost, exchange)
        assert_field(response, "images", [], exchange)


@check("ASY-2", level="inferred", fixtures=("example_async",))
def tasks_poll_url_keeps_scheme(context: CheckContext) -> None:
    """Return a poll_url with the scheme of the base URL if its host and port are the same."""
    base = urlsplit(context.profile.base_url)
    for generation, body in accepted_tasks(context, "example_async"):
        url = urlsplit(require_field(body, "poll_url", str, generation.exchange))
        if url.netloc == base.netloc:
            assert_equal(url.scheme, base.scheme, "the scheme of poll_url", generation.exchange)

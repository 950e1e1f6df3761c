"""Asynchronous generation: the 202 response and its poll_url (ASY-1 to ASY-4)."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from mockhub.verify import oracle
from mockhub.verify.assertions import (
    assert_common_fields,
    assert_equal,
    expect,
    require_field,
    require_timestamp,
)
from mockhub.verify.check import check
from mockhub.verify.context import CheckContext
from mockhub.verify.fixtures import TASK_FIXTURES
from mockhub.verify.generation import poll_status
from mockhub.verify.generation_assertions import accepted_tasks
from mockhub.verify.outcomes import Failed
from mockhub.verify.polling import is_own_url


@check("ASY-1", fixtures=TASK_FIXTURES)
def tasks_start_queued(context: CheckContext) -> None:
    """async true answers 202 with an id, status queued and no images."""
    for generation, body in accepted_tasks(context, *TASK_FIXTURES):
        require_field(body, "id", str, generation.exchange, allow_empty=False)
        assert_equal(
            "queued",
            require_field(body, "status", str, generation.exchange),
            "status",
            generation.exchange,
        )
        assert_equal(
            [],
            require_field(body, "images", list, generation.exchange),
            "images",
            generation.exchange,
        )


@check("ASY-1", requires=("provider_failure",), fixtures=("failure_async",))
def tasks_that_will_fail_start_queued(context: CheckContext) -> None:
    """A task whose provider is going to fail is accepted like any other."""
    accepted_tasks(context, "failure_async")


@check("ASY-2", fixtures=TASK_FIXTURES)
def tasks_return_poll_url(context: CheckContext) -> None:
    """poll_url is absolute and is GET /api/v1/generations/{that id}."""
    for generation, body in accepted_tasks(context, *TASK_FIXTURES):
        url = require_field(body, "poll_url", str, generation.exchange)
        split = urlsplit(url)
        expected = f"https://.../api/v1/generations/{generation.id}"
        if split.scheme not in ("http", "https") or not split.netloc:
            raise Failed(
                f"poll_url is {url!r}, not absolute", generation.exchange, expected=expected
            )
        if not unquote(split.path).endswith(f"/api/v1/generations/{generation.id}"):
            raise Failed(f"poll_url is {url!r}", generation.exchange, expected=expected)
        if not is_own_url(context.client, url):
            if context.client.loopback:
                raise Failed(
                    f"poll_url leads elsewhere: {url!r}", generation.exchange, expected=expected
                )
            continue
        exchange = context.client.get(url)
        if exchange.error == "unreachable":
            raise Failed(
                "nothing answers at poll_url", exchange, generation.exchange, expected=expected
            )
        if exchange.status != 200 and not (exchange.status == 500 and not generation.finished):
            raise Failed(
                f"poll_url answers {exchange.status}", exchange, generation.exchange, expected="200"
            )


@check("ASY-3", "GEN-2", fixtures=TASK_FIXTURES)
def tasks_return_documented_fields(context: CheckContext) -> None:
    """The 202 body has the ten documented fields."""
    for generation, body in accepted_tasks(context, *TASK_FIXTURES):
        assert_common_fields(body, generation.exchange)
        require_timestamp(
            require_field(body, "created_at", str, generation.exchange),
            "created_at",
            generation.exchange,
        )
        require_field(body, "poll_url", str, generation.exchange, allow_empty=False)


@check("ASY-4", fixtures=TASK_FIXTURES)
def tasks_return_credits_requested(context: CheckContext) -> None:
    """usage is {credits: 0, credits_requested: n times the tier} while queued."""
    for generation, body in accepted_tasks(context, *TASK_FIXTURES):
        tier = require_field(body, "quality", str, generation.exchange)
        tier_price = oracle.prices().get("1K" if generation.size == "1024x1024" else tier, 0)
        queued = [poll for poll in generation.polls if poll_status(poll) == "queued"]
        for exchange in (generation.exchange, *queued):
            response_body = expect(exchange, exchange.status)
            assert_equal(
                0,
                require_field(response_body, "usage.credits", int, exchange),
                "usage.credits",
                exchange,
            )
            requested = require_field(response_body, "usage.credits_requested", int, exchange)
            assert_equal(generation.n * tier_price, requested, "usage.credits_requested", exchange)
            assert_equal(
                [],
                require_field(response_body, "images", list, exchange),
                "images while queued",
                exchange,
            )


@check("ASY-2", level="inferred", fixtures=("example_async",))
def tasks_poll_url_keeps_scheme(context: CheckContext) -> None:
    """A poll_url at the implementation's own host and port has its scheme."""
    base = urlsplit(context.profile.base_url)
    for generation, body in accepted_tasks(context, "example_async"):
        url = urlsplit(require_field(body, "poll_url", str, generation.exchange))
        if url.netloc == base.netloc:
            assert_equal(base.scheme, url.scheme, "the scheme of poll_url", generation.exchange)

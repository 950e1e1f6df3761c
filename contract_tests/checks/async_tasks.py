"""Asynchronous generation: the answer at once, the polls, and the end."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote, urlsplit

from mockhub.spec.operations import OperationId
from mockhub.verify import oracle
from mockhub.verify.assertions import (
    assert_common_fields,
    assert_equal,
    assert_image_fields,
    error_code,
    expect,
    require_field,
    require_response,
    require_timestamp,
)
from mockhub.verify.check import check
from mockhub.verify.context import CheckContext
from mockhub.verify.exchange import Exchange
from mockhub.verify.generation import ObservedGeneration, is_final
from mockhub.verify.outcomes import Failed, Inconclusive, Skipped
from mockhub.verify.polling import is_own_url

from .request_fields import assert_accepted

TASK_FIXTURES = ("example_async", "several_async")
FAILING_FIXTURES = ("failure_async", "partial_async")
_STATUS_RANK = {"queued": 0, "processing": 1, "succeeded": 2, "failed": 2}


def accepted_tasks(
    context: CheckContext, *names: str
) -> list[tuple[ObservedGeneration, dict[str, Any]]]:
    """The tasks of *names* with their 202 answers."""
    tasks = []
    for name in names:
        assert_accepted(context, name)
        generation = context.generation(name)
        tasks.append((generation, expect(generation.exchange, 202)))
    return tasks


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
        queued = [poll for poll in generation.polls if _generation_status(poll) == "queued"]
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


def _generation_status(exchange: Exchange) -> Any:
    try:
        body = exchange.parse_json()
    except ValueError:
        return None
    return body.get("status") if isinstance(body, dict) and exchange.status == 200 else None


@check("ASY-5", "END-4", fixtures=TASK_FIXTURES)
def tasks_complete_with_images(context: CheckContext) -> None:
    """Polling reaches succeeded with the images, which then have the documented fields."""
    for generation, _ in accepted_tasks(context, *TASK_FIXTURES):
        assert_completed(context, generation)
        body, exchange = generation.final_body, generation.final_exchange
        assert_equal("succeeded", body.get("status"), "status", exchange)
        assert_common_fields(body, exchange)
        assert_equal(generation.id, body.get("id"), "id", exchange)
        images = require_field(body, "images", list, exchange)
        assert_equal(generation.n, len(images), "the number of images", exchange)
        assert_image_fields(images, exchange)


def assert_completed(context: CheckContext, generation: ObservedGeneration) -> None:
    if generation.finished:
        return
    for poll in generation.polls[-1:]:
        if require_response(poll).status != 200:
            raise Failed(f"a poll is answered {poll.status}", poll, expected="HTTP 200")
        expect(poll, 200)
    raise Failed(
        f"the task has not ended after {context.profile.poll_timeout:g} s (limits.poll_timeout)",
        *generation.polls[-1:],
        expected="status succeeded or failed",
    )


@check("ASY-5", requires=("provider_failure",), fixtures=("failure_async",))
def tasks_that_fail_return_no_images(context: CheckContext) -> None:
    """A task whose provider fails ends as failed, with no images."""
    for generation, _ in accepted_tasks(context, "failure_async"):
        for poll in generation.polls:
            if poll.status == 500 and error_code(poll) == "generationFailed" and context.documented:
                return  # the page does not say how a failed task reads
        assert_completed(context, generation)
        assert_equal(
            "failed", generation.final_body.get("status"), "status", generation.final_exchange
        )
        if generation.final_body.get("images"):
            raise Failed(
                "a failed task has images", generation.final_exchange, expected="images: []"
            )


@check("ASY-5", fixtures=TASK_FIXTURES)
def tasks_final_status_is_stable(context: CheckContext) -> None:
    """A final state is final: later reads tell the same status."""
    for generation, _ in accepted_tasks(context, *TASK_FIXTURES):
        assert_completed(context, generation)
        final_index = generation.polls.index(generation.final_exchange)
        for poll in (*generation.polls[final_index:], context.fetch(generation)):
            if require_response(poll).status != 200 or not is_final(poll):
                raise Failed(
                    "a task that had ended has not",
                    generation.final_exchange,
                    poll,
                    expected="the same status",
                )
            assert_equal(
                generation.final_body.get("status"),
                _generation_status(poll),
                "status",
                generation.final_exchange,
                poll,
            )


@check("ASY-5", fixtures=("form_task",))
def tasks_from_forms_complete(context: CheckContext) -> None:
    """A form that is taken as a task ends like any other; whether forms can be tasks is open."""
    generation = context.generation("form_task")
    if require_response(generation.exchange).status == 202:
        assert_completed(context, generation)
        images = require_field(generation.final_body, "images", list, generation.final_exchange)
        assert_equal(generation.n, len(images), "the number of images", generation.final_exchange)


@check("ASY-5", requires=("provider_failure",), fixtures=("failure_async",))
def tasks_that_failed_never_succeed(context: CheckContext) -> None:
    """A task that has failed does not succeed later."""
    for generation, _ in accepted_tasks(context, "failure_async"):
        for poll in (*generation.polls, context.fetch(generation)):
            if generation.finished and _generation_status(poll) == "succeeded":
                raise Failed(
                    "a task that had failed has succeeded", generation.final_exchange, poll
                )


# What the page leaves open.


@check("ASY-6", fixtures=TASK_FIXTURES)
def tasks_status_never_moves_backward(context: CheckContext) -> None:
    """queued, processing, then succeeded or failed; never back."""
    for generation, _ in accepted_tasks(context, *TASK_FIXTURES):
        before = "queued"
        for poll in generation.polls:
            status = _generation_status(require_response(poll))
            if status not in _STATUS_RANK or _STATUS_RANK[status] < _STATUS_RANK[before]:
                raise Failed(f"status {status!r} after {before!r}", poll, expected="forward only")
            if _STATUS_RANK[before] == 2:
                assert_equal(before, status, "the final status", poll)
            before = status


@check("ASY-7", requires=("provider_failure",), fixtures=("failure_async",))
def tasks_that_failed_return_error(context: CheckContext) -> None:
    """A failed task reads 200 with status failed, no images, usage.credits 0 and the error."""
    for generation, _ in accepted_tasks(context, "failure_async"):
        assert_completed(context, generation)
        body, exchange = generation.final_body, generation.final_exchange
        assert_equal("failed", body.get("status"), "status", exchange)
        assert_equal([], require_field(body, "images", list, exchange), "images", exchange)
        assert_equal(
            0, require_field(body, "usage.credits", int, exchange), "usage.credits", exchange
        )
        assert_equal("generationFailed", error_code(exchange), "error.code", exchange)


@check("ASY-8", requires=("broke",), cost=oracle.min_price())
def tasks_require_sufficient_credits(context: CheckContext) -> None:
    """An asynchronous request that the balance cannot pay is 402 at submission."""
    from .insufficient_credits import expect_insufficient_credits, require_insufficient_credits

    require_insufficient_credits(context, "broke")
    expect_insufficient_credits(context, context.request_body(**{"async": True}), "broke")


@check("ASY-2", level="inferred", fixtures=("example_async",))
def tasks_poll_url_keeps_scheme(context: CheckContext) -> None:
    """A poll_url at the implementation's own host and port has its scheme."""
    base = urlsplit(context.profile.base_url)
    for generation, body in accepted_tasks(context, "example_async"):
        url = urlsplit(require_field(body, "poll_url", str, generation.exchange))
        if url.netloc == base.netloc:
            assert_equal(base.scheme, url.scheme, "the scheme of poll_url", generation.exchange)


@check("ASY-8", requires=("low",), cost=4 * oracle.min_price())
def tasks_require_full_price(context: CheckContext) -> None:
    """A task is refused if the balance pays for some of its images only."""
    from .insufficient_credits import expect_insufficient_credits

    credits = context.credits("low")
    if not oracle.min_price() <= credits < 4 * oracle.min_price():
        raise Skipped(f"keys.low has {credits} credits; expected some, but not for 4 images")
    expect_insufficient_credits(context, context.request_body(n=4, **{"async": True}), "low")


@check("ASY-6", fixtures=("example_async",))
def tasks_poll_responses_match_schema(context: CheckContext) -> None:
    """The poll finds the documented words only."""
    for generation, _ in accepted_tasks(context, "example_async"):
        if not generation.polls:
            raise Inconclusive("the task was not polled", generation.exchange)
        for poll in generation.polls:
            for error in oracle.response_validator(OperationId.GET_GENERATION, 200).iter_errors(
                expect(poll, 200)
            ):
                raise Failed(
                    f"the poll does not match the response schema: {error.message[:200]}", poll
                )

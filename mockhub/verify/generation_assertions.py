"""Assertions about the generations of a run, shared by the checks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar
from urllib.parse import urlsplit

from mockhub.verify import oracle
from mockhub.verify.assertions import assert_equal, expect, require_field, require_response
from mockhub.verify.context import CheckContext
from mockhub.verify.exchange import Exchange, JsonObject
from mockhub.verify.exchange_log import request_kind
from mockhub.verify.fixtures import SAVED_FIXTURES, TASK_FIXTURES
from mockhub.verify.generation import ObservedGeneration
from mockhub.verify.outcomes import CheckOutcome, Failed, Inconclusive, Skipped
from mockhub.verify.rejections import rejection

T = TypeVar("T")

_EXPECTED = "200, or 202 for a task"
_OTHER_ENDINGS = ("partial", "completed", "success", "done", "error", "cancelled", "expired")
_RATIO_PATTERN = re.compile("auto|[0-9]+:[0-9]+")


def assert_accepted(context: CheckContext, name: str) -> ObservedGeneration:
    """Return a generation that was accepted; sizes that are not documented may be rejected."""
    generation = context.generation(name)
    exchange = require_response(generation.exchange)
    if exchange.status == 402 and (generation.balance_before or 0) < generation.fixture.max_cost:
        raise Inconclusive("the account has not enough credits", exchange)
    if exchange.status == 401:
        raise Inconclusive("HTTP 401 with keys.valid; is the key right?", exchange)
    if generation.size_rejection and not context.documented:
        raise Failed("HTTP 400 to a valid size", generation.size_rejection, expected=_EXPECTED)
    if not generation.accepted:
        raise rejection(exchange, _EXPECTED, context.history)
    return generation


def accepted_tasks(
    context: CheckContext, *names: str
) -> list[tuple[ObservedGeneration, JsonObject]]:
    """Return the tasks of *names* with the bodies of their 202 responses.

    Forms are left out if none of them is accepted as a task, which is an open point.
    """
    tasks = []
    names = tuple(name for name in names if context.fixtures[name].asynchronous)
    for name in names:
        context.generation(name)
    for name in names:
        if context.fixtures[name].is_form_task and not context.has_form_tasks:
            continue
        generation = assert_accepted(context, name)
        tasks.append((generation, expect(generation.exchange, 202)))
    return tasks


def submitted_tasks(context: CheckContext) -> list[tuple[ObservedGeneration, JsonObject]]:
    """Return the accepted tasks, whatever their outcome, and their 202 responses."""
    failing = failed_tasks(context) if context.profile.provider_failure else []
    names = offered(context, (*TASK_FIXTURES, "partial_async"))
    return accepted_tasks(context, *names) + failing


def failed_tasks(context: CheckContext) -> list[tuple[ObservedGeneration, JsonObject]]:
    """Return the accepted tasks that the provider fails, with their 202 responses."""
    names = [generation.name for generation in context.generate_failures()]
    return accepted_tasks(context, "failure_async", *names)


def offered(context: CheckContext, names: Iterable[str]) -> list[str]:
    """Return the names of the fixtures whose trigger the profile has, if they need one."""
    triggers = {name: context.fixtures[name].trigger for name in names}
    return [
        name
        for name, trigger in triggers.items()
        if trigger is None or context.profile.offers(trigger)
    ]


def responses_to(context: CheckContext, kind: str, *statuses: int) -> list[Exchange]:
    """Return the responses so far with *statuses* to requests such as "GET credits"."""
    return [
        exchange
        for exchange in context.client.exchanges
        if exchange.status in statuses
        and not exchange.request.unspecified
        and request_kind(exchange.request.method, exchange.request.url) == kind
    ]


def assert_completed(context: CheckContext, generation: ObservedGeneration) -> None:
    """Require a task to have ended; within limits.poll_timeout it need not."""
    if generation.finished:
        return
    for poll in generation.polls[-1:]:
        status = require_field(expect(poll, 200), "status", str, poll)
        if status in _OTHER_ENDINGS:
            raise Failed(f"status is {status!r}", poll, expected="status succeeded or failed")
    timeout = context.profile.poll_timeout
    limit = context.profile.generation_limit or oracle.generation_limit()
    message = f"the task has not ended after {timeout:g} s (limits.poll_timeout)"
    if ended := [one for one in context.history if one.final_poll]:
        slowest = max(one.final_exchange.started - one.exchange.started for one in ended)
        message += f", though {len(ended)} others have ended within {slowest:.1f} s"
    if timeout < limit:
        message += f"; raise it, a generation may take {limit:g} s"
        raise Inconclusive(message, *generation.polls[-1:])
    raise Failed(message, *generation.polls[-1:], expected="status succeeded or failed")


def require_triggered(generation: ObservedGeneration) -> None:
    """Require that the prompt of a trigger had an effect on the provider."""
    if generation.ignored_trigger:
        raise ineffective_trigger(generation)


def ineffective_trigger(generation: ObservedGeneration) -> Inconclusive:
    """Return the outcome of a check that needs the trigger of *generation*, which did nothing."""
    message = f"the prompt of triggers.{generation.fixture.trigger} has no effect: all images came"
    return Inconclusive(message, generation.final_exchange)


def completed_generations(
    context: CheckContext, names: tuple[str, ...]
) -> Iterator[ObservedGeneration]:
    """Iterate over the generations of *names* that were accepted and have ended.

    Raises:
        CheckOutcome: After the last one, if some could not be created.
    """
    deferred: CheckOutcome | None = None
    found_any = False
    for name in offered(context, names):
        try:
            generation = context.generation(name)
            require_response(generation.exchange)
        except (Inconclusive, Skipped) as outcome:
            deferred = deferred or outcome
            continue
        if generation.accepted and (generation.exchange.status == 200 or generation.finished):
            found_any = True
            yield generation
    if deferred:
        raise deferred
    if not found_any:
        raise Inconclusive("no generation succeeded", context.generation(names[0]).exchange)


def synchronous_generations(context: CheckContext) -> Iterator[ObservedGeneration]:
    """Iterate over all saved generations whose first response had the images."""
    for generation in completed_generations(context, SAVED_FIXTURES):
        if generation.exchange.status == 200:
            yield generation


def generations_with_id(context: CheckContext, names: tuple[str, ...]) -> list[ObservedGeneration]:
    """Return the generations of *names* that were accepted with an id."""
    generations = [
        generation
        for name in offered(context, names)
        if (generation := context.generation(name)).accepted and generation.id
    ]
    if not generations:
        raise Inconclusive("no generation has an id", context.generation(names[0]).exchange)
    return generations


def require_final(
    generation: ObservedGeneration, path: str, expected_type: type[T], *, allow_empty: bool = True
) -> T:
    """Return a field of the last known state of a generation."""
    return require_field(
        generation.final_body,
        path,
        expected_type,
        generation.final_exchange,
        allow_empty=allow_empty,
    )


def assert_final(generation: ObservedGeneration, path: str, expected: object) -> None:
    """Require a field of the last known state of a generation to equal *expected*."""
    actual = require_final(generation, path, type(expected))
    assert_equal(actual, expected, path, generation.final_exchange)


def assert_image_count(generation: ObservedGeneration, expected: int | None = None) -> list[object]:
    """Return the images of a generation, of which there must be as many as requested."""
    if expected is None and generation.final_body.get("status") == "failed":
        clause = "ASY-5" if generation.fixture.asynchronous else "GEN-1"
        wanted = {"expected": "status succeeded", "clause": clause}
        raise Failed("status is 'failed'", generation.final_exchange, **wanted)
    images: list[object] = require_final(generation, "images", list)
    count = generation.n if expected is None else expected
    assert_equal(len(images), count, "the number of images", generation.final_exchange)
    return images


def assert_ratio_of_size(generation: ObservedGeneration) -> None:
    """Require aspect_ratio to be the ratio of the requested size (GEN-5)."""
    assert_ratio_of_response(generation.size, generation.final_body, generation.final_exchange)


def assert_ratio_of_response(size: str, body: JsonObject, exchange: Exchange) -> None:
    """Require the aspect_ratio of a response to be the ratio of *size* (GEN-5)."""
    ratio = require_field(body, "aspect_ratio", str, exchange)
    if size == "auto":
        if not _RATIO_PATTERN.fullmatch(ratio):
            raise Failed(f"aspect_ratio is {ratio!r}", exchange, expected="auto or a ratio")
    elif not oracle.same_ratio(size, ratio):
        raise Failed(
            f"aspect_ratio of {size} is {ratio!r}", exchange, expected="the ratio of the size"
        )


def unsigned_images(body: JsonObject) -> list[JsonObject]:
    """Return the images with their URLs without the query, in which a signature may change."""
    images = body.get("images")
    return [
        {**image, "url": urlsplit(str(image.get("url")))._replace(query="", fragment="").geturl()}
        for image in (images if isinstance(images, list) else [])
        if isinstance(image, dict)
    ]


def image_ids_and_urls(body: JsonObject) -> list[tuple[object, str]]:
    """Return what identifies the images: their ids and their URLs without the query."""
    return [(image.get("id"), image["url"]) for image in unsigned_images(body)]


def assert_distinct_images(generations: Sequence[ObservedGeneration]) -> None:
    """Require that no two generations have an image in common."""
    images = [image for one in generations for image in image_ids_and_urls(one.final_body)]
    if len(set(images)) < len(images):
        evidence = (one.final_exchange for one in generations)
        raise Failed("two generations have the same image", *evidence, expected="different ones")

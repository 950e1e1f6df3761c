"""Asynchronous generation: polls and the final status (ASY-5 to ASY-7)."""

from __future__ import annotations

from functools import partial

from mockhub.spec.operations import OperationId
from mockhub.verify.assertions import (
    assert_common_fields,
    assert_equal,
    assert_image_fields,
    assert_matches_schema,
    error_code,
    require_response,
)
from mockhub.verify.check import check
from mockhub.verify.context import CheckContext
from mockhub.verify.exchange import Exchange, JsonObject
from mockhub.verify.fixtures import FAILURE_FIXTURES, TASK_FIXTURES
from mockhub.verify.generation import ObservedGeneration, is_final, poll_status
from mockhub.verify.generation_assertions import (
    accepted_tasks,
    assert_completed,
    assert_final,
    assert_image_count,
    failed_tasks,
    require_triggered,
)
from mockhub.verify.outcomes import Failed, Inconclusive

_FAILED = ("failure_async", *FAILURE_FIXTURES)
_STATUS_RANK = {"queued": 0, "processing": 1, "succeeded": 2, "failed": 2}


@check("ASY-5", "END-4", fixtures=TASK_FIXTURES)
def tasks_complete_with_images(context: CheckContext) -> None:
    """Reach status succeeded, with the images and the documented fields."""
    for generation, _ in accepted_tasks(context, *TASK_FIXTURES):
        assert_completed(context, generation)
        assert_final(generation, "status", "succeeded")
        assert_common_fields(generation.final_body, generation.final_exchange)
        assert_final(generation, "id", generation.id)
        assert_image_fields(assert_image_count(generation), generation.final_exchange)


@check("ASY-5", requires=("provider_failure",), fixtures=_FAILED)
def tasks_that_fail_return_no_images(context: CheckContext) -> None:
    """Reach status failed without images if the provider fails."""
    for generation, _ in failed_tasks(context):
        for poll in generation.polls:
            if poll.status == 500 and error_code(poll) == "generationFailed" and context.documented:
                return  # how a failed task is read is an open point
        assert_completed(context, generation)
        require_triggered(generation)
        assert_final(generation, "status", "failed")
        if generation.final_body.get("images"):
            raise Failed(
                "a failed task has images", generation.final_exchange, expected="images: []"
            )


@check("ASY-5", fixtures=TASK_FIXTURES, pays_nothing=True)
def tasks_final_status_is_stable(context: CheckContext) -> None:
    """Keep the final status on later reads."""
    tasks = accepted_tasks(context, *TASK_FIXTURES)
    reads = _read_again(context, tasks)
    for generation, _ in tasks:
        assert_completed(context, generation)
        final = generation.final_exchange
        later_polls = generation.polls[generation.polls.index(final) :]
        for poll in (*later_polls, reads[generation.name]):
            if require_response(poll).status != 200 or not is_final(poll):
                raise Failed(
                    "a task that had ended has not", final, poll, expected="the same status"
                )
            assert_equal(poll_status(poll), poll_status(final), "status", final, poll)


@check("ASY-5", requires=("provider_failure",), fixtures=_FAILED, pays_nothing=True)
def tasks_that_failed_never_succeed(context: CheckContext) -> None:
    """Keep status failed on later reads."""
    tasks = failed_tasks(context)
    reads = _read_again(context, tasks)
    for generation, _ in tasks:
        for poll in (*generation.polls, reads[generation.name]):
            if generation.finished and poll_status(poll) == "succeeded":
                raise Failed(
                    "a task that had failed has succeeded", generation.final_exchange, poll
                )


def _read_again(
    context: CheckContext, tasks: list[tuple[ObservedGeneration, JsonObject]]
) -> dict[str, Exchange]:
    generations = [generation for generation, _ in tasks]
    reads = context.run_batch([partial(context.fetch, one) for one in generations])
    return {one.name: exchange for one, exchange in zip(generations, reads, strict=True)}


@check("ASY-6", fixtures=TASK_FIXTURES)
def tasks_status_never_moves_backward(context: CheckContext) -> None:
    """Move the status forward only: queued, processing, then succeeded or failed."""
    for generation, _ in accepted_tasks(context, *TASK_FIXTURES):
        before = "queued"
        for poll in generation.polls:
            status = str(poll_status(require_response(poll)))
            if status not in _STATUS_RANK or _STATUS_RANK[status] < _STATUS_RANK[before]:
                raise Failed(f"status {status!r} after {before!r}", poll, expected="forward only")
            if _STATUS_RANK[before] == 2:
                assert_equal(status, before, "the final status", poll)
            before = status


@check("ASY-7", requires=("provider_failure",), fixtures=_FAILED)
def tasks_that_failed_return_error(context: CheckContext) -> None:
    """Return 200 with status failed, no images, usage.credits 0 and the error for a failed task."""
    for generation, _ in failed_tasks(context):
        assert_completed(context, generation)
        require_triggered(generation)
        assert_final(generation, "status", "failed")
        assert_final(generation, "images", [])
        assert_final(generation, "usage.credits", 0)
        exchange = generation.final_exchange
        assert_equal(error_code(exchange, "ASY-7"), "generationFailed", "error.code", exchange)


@check("ASY-6", fixtures=("example_async",))
def tasks_poll_responses_match_schema(context: CheckContext) -> None:
    """Return polls that match the response schema."""
    for generation, _ in accepted_tasks(context, "example_async"):
        if not generation.polls:
            raise Inconclusive("the task was not polled", generation.exchange)
        for poll in generation.polls:
            assert_matches_schema(poll, OperationId.GET_GENERATION)

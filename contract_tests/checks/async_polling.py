"""Asynchronous generation: polls, and the final status (ASY-5 to ASY-7)."""

from __future__ import annotations

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
)
from mockhub.verify.check import check
from mockhub.verify.context import CheckContext
from mockhub.verify.fixtures import TASK_FIXTURES
from mockhub.verify.generation import is_final, poll_status
from mockhub.verify.generation_assertions import accepted_tasks, assert_completed
from mockhub.verify.outcomes import Failed, Inconclusive

_STATUS_RANK = {"queued": 0, "processing": 1, "succeeded": 2, "failed": 2}


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
                poll_status(poll),
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
            if generation.finished and poll_status(poll) == "succeeded":
                raise Failed(
                    "a task that had failed has succeeded", generation.final_exchange, poll
                )


@check("ASY-6", fixtures=TASK_FIXTURES)
def tasks_status_never_moves_backward(context: CheckContext) -> None:
    """queued, processing, then succeeded or failed; never back."""
    for generation, _ in accepted_tasks(context, *TASK_FIXTURES):
        before = "queued"
        for poll in generation.polls:
            status = poll_status(require_response(poll))
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

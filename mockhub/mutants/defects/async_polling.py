"""Mutants of polling a task until it ends (ASY-5 to ASY-7)."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from mockhub.mutants import responses
from mockhub.mutants.changes import edit, remove, update, within
from mockhub.mutants.hook import Hook, at_every, when
from mockhub.mutants.matching import all_of, has_failed, is_async, is_paid_by, lacks_images
from mockhub.mutants.patched_server import PatchedServer
from mockhub.mutants.registry import Row, mutant, mutant_table
from mockhub.mutants.responses import GenerationChange
from mockhub.mutants.types import Generation, Json, RequestContext, Response
from mockhub.mutants.wrapping import Original, wrap
from mockhub.spec.operations import OperationId


@Hook
def rename_status(server: PatchedServer, names: tuple[str, str]) -> None:
    """Replace the first status by the second in logs."""
    old, new = names
    responses.mutate_log(edit("status", lambda status: new if status == old else status))(server)


@Hook
def keep_processing(server: PatchedServer, matches: Callable[[Generation], bool]) -> None:
    """Never end some tasks."""

    @wrap(server.hub, "record_poll")
    def poll(original: Original, generation: Generation, now: int) -> object:
        return replace(generation, polls=1) if matches(generation) else original(generation, now)


mutant_table("ASY-5", keep_processing)(
    task_never_ends=Row("A task never ends.", lambda generation: True),
    failed_task_never_ends=Row("A failed task never ends.", lambda task: task.outcome.fail),
)
mutant_table("ASY-5", when(is_async, responses.mutate_log))(
    task_ends_without_images=Row("A task succeeds without images.", update(images=[])),
    task_ends_with_one_image=Row(
        "A task ends with one image, at the price of all.",
        edit("images", lambda images: images[:1]),
    ),
    task_usage_stays_zero=Row(
        "The usage.credits of a task that has succeeded is 0.", within("usage", update(credits=0))
    ),
)
mutant_table("ASY-5", when(all_of(is_async, lacks_images), responses.mutate_log))(
    partial_task_reported_failed=Row(
        "A task that delivers some of its images is `failed`.",
        edit("status", lambda status: "failed" if status == "succeeded" else status),
    )
)
mutant_table("ASY-5", when(all_of(has_failed, is_paid_by("low")), responses.mutate_log))(
    failed_task_of_low_succeeds=Row(
        "A failed task of the account `low` is `succeeded`.", update(status="succeeded")
    )
)
mutant_table("ASY-5", rename_status)(
    task_status_is_completed=Row("A task with images is `completed`.", ("succeeded", "completed")),
    failed_task_status_is_error=Row("A failed task is `error`.", ("failed", "error")),
    failed_task_reported_succeeded=Row(
        "A failed task is `succeeded`, without images.", ("failed", "succeeded")
    ),
)


@mutant(
    "ASY-5",
    "An invalid request makes the tasks in progress fail.",
    generated="random_sequences",
)
def rejection_fails_running_tasks(server: PatchedServer) -> None:
    @responses.on_response(OperationId.CREATE_GENERATION, code="invalid_request").on(server)
    def fail(response: Response, context: RequestContext) -> Response:
        for generation in list(server.hub.generations.values()):
            if not generation.ended and is_async(generation):
                server.hub.complete(generation.id, failed=True)
        return response


@mutant("ASY-5", "A poll of a finished task returns 202.")
@responses.on_read
def poll_of_finished_task_is_202(response: Response, context: RequestContext) -> Response:
    return replace(response, status=202) if is_async(responses.generation_of(context)) else response


mutant_table("ASY-6", at_every(3, responses.mutate_log))(
    every_third_poll_queued=Row(
        "Every third poll returns a task as queued.", update(status="queued", images=[])
    )
)


@mutant("ASY-6", "A task that was processing is queued at the next poll.")
@responses.mutate_log_at_read
def status_goes_back(content: Json, generation: Generation, reads: int) -> None:
    if content["status"] == "processing" and reads % 2 == 0:
        content["status"] = "queued"


@mutant("ASY-6", "A finished task is processing at every second read.")
@responses.mutate_log_at_read
def finished_task_reopens(content: Json, generation: Generation, reads: int) -> None:
    if is_async(generation) and generation.ended and reads % 2:
        content.update(status="processing", images=[])


@Hook
def mutate_after_first_read(server: PatchedServer, change: GenerationChange) -> None:
    """Change the log of a generation from the second read after its end on."""
    seen: set[str] = set()

    @responses.mutate_log.on(server)
    def mutate(content: Json, generation: Generation) -> None:
        if generation.id in seen:
            change(content, generation)
        if generation.ended:
            seen.add(generation.id)


@mutant("ASY-6", "A task that has succeeded is failed from the second read on.")
@mutate_after_first_read
def success_becomes_failure(content: Json, generation: Generation) -> None:
    if generation.status == "succeeded":
        error = {"message": "Image generation failed", "code": "generationFailed"}
        content.update(status="failed", images=[], error=error)


@mutant("ASY-6", "A task that has failed is succeeded, without images, from the second read on.")
@mutate_after_first_read
def failure_becomes_success(content: Json, generation: Generation) -> None:
    if has_failed(generation):
        del content["error"]
        content["status"] = "succeeded"


@mutant("ASY-7", "A poll of a failed task returns 500.")
@responses.on_read
def poll_of_failed_task_is_500(response: Response, context: RequestContext) -> Response:
    failed = has_failed(responses.generation_of(context))
    return responses.error_response(context, "generationFailed") if failed else response


mutate_failed_log = when(has_failed, responses.mutate_log)

mutant_table("ASY-7", mutate_failed_log, conforms_if_documented=True)(
    failed_task_without_error=Row("A failed task has no error.", remove("error")),
    failed_task_error_is_string=Row(
        "The error of a failed task is a string.", edit("error", lambda error: error["message"])
    ),
    failed_task_with_other_code=Row(
        "A failed task has the code `provider_error`.",
        within("error", update(code="provider_error")),
    ),
)


@mutant("ASY-7", "A failed task has images.")
@mutate_failed_log.with_server
def failed_task_lists_images(server: PatchedServer, content: Json, generation: Generation) -> None:
    content["images"] = [server.image_json(generation, 0)]

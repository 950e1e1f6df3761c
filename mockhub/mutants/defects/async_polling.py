"""Mutants of polling a task until it ends (ASY-5 to ASY-7)."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from mockhub.domain.generations import Generation
from mockhub.mutants.hooks import at_every, hook, mutate_log, on_response, remove, update
from mockhub.mutants.patched_server import PatchedServer
from mockhub.mutants.registry import mutant, mutant_table
from mockhub.mutants.responses import Json, error_response, generation_of
from mockhub.mutants.wrapping import wrap
from mockhub.spec.operations import OperationId
from mockhub.web.context import RequestContext
from mockhub.web.responses import Response


@hook
def mutate_task_log(server: PatchedServer, change: Callable[[Json, Generation], object]) -> None:
    """Change the log of tasks, but not of synchronous generations."""

    @server.mutate_generation(OperationId.GET_GENERATION, status=200)
    def mutate(content: Json, generation: Generation) -> None:
        if generation.request.run_async:
            change(content, generation)


@hook
def rename_status(server: PatchedServer, names: tuple[str, str]) -> None:
    """Replace the first status by the second in logs."""
    status, new_status = names

    @server.mutate_generation(OperationId.GET_GENERATION, status=200)
    def mutate(content: Json, generation: Generation) -> None:
        if content["status"] == status:
            content["status"] = new_status


@hook
def keep_processing(server: PatchedServer, matches: Callable[[Generation], bool]) -> None:
    """Never end some tasks."""

    @wrap(server.hub, "record_poll")
    def poll(
        original: Callable[[Generation, int], Generation], generation: Generation, now: int
    ) -> Generation:
        if matches(generation):
            return replace(generation, polls=1)
        return original(generation, now)


mutant_table("ASY-5", keep_processing)(
    task_never_ends=("A task never ends.", lambda generation: True),
    failed_task_never_ends=(
        "A failed task never ends.",
        lambda generation: generation.outcome.fail,
    ),
)
mutant_table("ASY-5", mutate_task_log)(
    task_ends_without_images=("A task succeeds without images.", update(images=[])),
    task_ends_with_one_image=(
        "A task for several images ends with one image, at the price of all.",
        lambda content, generation: content.update(images=content["images"][:1]),
    ),
    task_usage_stays_zero=(
        "The usage.credits of a task that has succeeded is 0.",
        lambda content, generation: content["usage"].update(credits=0),
    ),
)
mutant_table("ASY-5", rename_status)(
    task_status_is_completed=("A task with images is `completed`.", ("succeeded", "completed")),
    failed_task_status_is_error=("A failed task is `error`.", ("failed", "error")),
    failed_task_reported_succeeded=(
        "The status of a task whose provider failed is `succeeded`, without images.",
        ("failed", "succeeded"),
    ),
)


@mutant("ASY-5", "A poll of a finished task returns 202.")
@on_response(OperationId.GET_GENERATION, status=200)
def poll_of_finished_task_is_202(response: Response, context: RequestContext) -> Response:
    run_async = generation_of(context).request.run_async
    return replace(response, status=202) if run_async else response


# -- transitions ---------------------------------------------------------------------------------

mutant_table("ASY-6", at_every(3, mutate_log))(
    every_third_poll_queued=(
        "Every third poll returns a task as queued, whatever its status is.",
        update(status="queued", images=[]),
    ),
)
mutant_table("ASY-6", mutate_log)(
    status_goes_back=(
        "A task that was processing is queued at the next poll.",
        lambda content, generation, reads: content.update(
            status="queued"
            if content["status"] == "processing" and reads % 2 == 0
            else content["status"]
        ),
    ),
    finished_task_reopens=(
        "A finished task is processing at every second read.",
        lambda content, generation, reads: (
            content.update(status="processing", images=[])
            if generation.request.run_async and generation.ended and reads % 2
            else None
        ),
    ),
)


@hook
def mutate_after_first_read(
    server: PatchedServer, change: Callable[[Json, Generation], object]
) -> None:
    """Change the log of a generation from the second read after its end on."""
    seen: set[str] = set()

    @server.mutate_generation(OperationId.GET_GENERATION, status=200)
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
    if generation.status == "failed":
        del content["error"]
        content["status"] = "succeeded"


# -- failed tasks --------------------------------------------------------------------------------


@mutant("ASY-7", "A poll of a failed task returns 500.")
@on_response(OperationId.GET_GENERATION, status=200)
def poll_of_failed_task_is_500(response: Response, context: RequestContext) -> Response:
    failed = generation_of(context).status == "failed"
    return error_response(context, "generationFailed") if failed else response


@hook
def mutate_failed_log(server: PatchedServer, change: Callable[[Json], object]) -> None:
    @server.mutate_generation(OperationId.GET_GENERATION, status=200)
    def mutate(content: Json, generation: Generation) -> None:
        if content.get("error"):
            change(content)


mutant_table("ASY-7", mutate_failed_log, conforms_if_documented=True)(
    failed_task_without_error=("A failed task has no error.", remove("error")),
    failed_task_error_is_string=(
        "The error of a failed task is a string.",
        lambda content: content.update(error=content["error"]["message"]),
    ),
    failed_task_with_other_code=(
        "The error of a failed task has the code `provider_error`.",
        lambda content: content["error"].update(code="provider_error"),
    ),
)


@mutant("ASY-7", "A failed task has images.")
def failed_task_lists_images(server: PatchedServer) -> None:
    @server.mutate_generation(OperationId.GET_GENERATION, status=200)
    def mutate(content: Json, generation: Generation) -> None:
        if generation.status == "failed":
            content["images"] = [server.image_json(generation, 0)]

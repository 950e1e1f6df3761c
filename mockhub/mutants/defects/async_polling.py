"""Defects of a running task: from queued to its end, and how its end reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from mockhub.domain.generations import Generation
from mockhub.mutants.patched_server import PatchedServer
from mockhub.mutants.registry import mutant
from mockhub.mutants.wrapping import wrap
from mockhub.spec.operations import OperationId
from mockhub.web import responses
from mockhub.web.context import RequestContext

Change = Callable[[Any, Generation, int], object]


def on_read(server: PatchedServer, change: Change) -> None:
    """Change what a read of a generation answers; *change* knows how many reads there were."""
    reads: dict[str, int] = {}

    @server.mutate_json(OperationId.GET_GENERATION, status=200)
    def rewrite(content: Any, context: RequestContext) -> object:
        generation = server.hub.generations[context.path_param or ""]
        reads[generation.id] = reads.get(generation.id, 0) + 1
        return change(content, generation, reads[generation.id])


def rename_status(status: str, new_status: str) -> Change:
    """A change that writes one status in another word."""

    def rename(content: Any, generation: Generation, reads: int) -> None:
        if content["status"] == status:
            content["status"] = new_status

    return rename


@mutant("ASY-5", "A task stays as it is for ever.")
def task_never_ends(server: PatchedServer) -> None:
    @wrap(server.hub, "record_poll")
    def polled(original: Any, generation: Generation, now: int) -> Generation:
        return replace(generation, polls=1)


@mutant("ASY-5", "A task whose provider fails is processing for ever.")
def failed_task_never_ends(server: PatchedServer) -> None:
    @wrap(server.hub, "record_poll")
    def polled(original: Any, generation: Generation, now: int) -> Any:
        if generation.outcome.fail:
            return replace(generation, polls=1)
        return original(generation, now)


@mutant("ASY-5", "A task that has its images is `completed`.")
def task_status_is_completed(server: PatchedServer) -> None:
    on_read(server, rename_status("succeeded", "completed"))


@mutant("ASY-5", "A task succeeds with no images.")
def task_ends_without_images(server: PatchedServer) -> None:
    on_read(
        server,
        lambda content, generation, reads: (
            generation.request.run_async and content.update(images=[]) or None
        ),
    )


@mutant("ASY-5", "A task for several images ends with one, at the price of all.")
def task_ends_with_one_image(server: PatchedServer) -> None:
    on_read(
        server,
        lambda content, generation, reads: (
            generation.request.run_async and content.update(images=content["images"][:1]) or None
        ),
    )


@mutant("ASY-5", "A task whose provider failed is in `error`.")
def failed_task_status_is_error(server: PatchedServer) -> None:
    on_read(server, rename_status("failed", "error"))


@mutant("ASY-5", "A task whose provider failed is succeeded, with no images.")
def failed_task_reported_succeeded(server: PatchedServer) -> None:
    on_read(server, rename_status("failed", "succeeded"))


@mutant("ASY-5", "A poll of a task that has ended is answered 202 still.")
def poll_of_finished_task_is_202(server: PatchedServer) -> None:
    @server.on_response(OperationId.GET_GENERATION, status=200)
    def rewrite(response: responses.Response, context: RequestContext) -> responses.Response:
        generation = server.hub.generations[context.path_param or ""]
        return replace(response, status=202) if generation.request.run_async else response


@mutant("ASY-5", "A task that succeeded still says that it cost nothing.")
def task_usage_stays_zero(server: PatchedServer) -> None:
    on_read(
        server,
        lambda content, generation, reads: (
            generation.request.run_async and content["usage"].update(credits=0) or None
        ),
    )


@mutant("ASY-6", "A task that was processing is queued again at the next poll.")
def status_goes_back(server: PatchedServer) -> None:
    on_read(
        server,
        lambda content, generation, reads: (
            content["status"] == "processing"
            and content.update(status="queued" if reads % 2 == 0 else "processing")
            or None
        ),
    )


@mutant("ASY-6", "A task that has succeeded is processing at every second read.")
def finished_task_reopens(server: PatchedServer) -> None:
    def reopen(content: Any, generation: Generation, reads: int) -> None:
        if generation.request.run_async and generation.ended and reads % 2:
            content.update(status="processing", images=[])

    on_read(server, reopen)


@mutant("ASY-6", "A task that has succeeded is failed from the second read of its end on.")
def success_becomes_failure(server: PatchedServer) -> None:
    seen: set[str] = set()

    def turn(content: Any, generation: Generation, reads: int) -> None:
        if generation.status == "succeeded" and generation.id in seen:
            error = {"message": "Image generation failed", "code": "generationFailed"}
            content.update(status="failed", images=[], error=error)
        if generation.ended:
            seen.add(generation.id)

    on_read(server, turn)


@mutant("ASY-6", "A task that has failed is succeeded, with no images, from the second read on.")
def failure_becomes_success(server: PatchedServer) -> None:
    seen: set[str] = set()

    def turn(content: Any, generation: Generation, reads: int) -> None:
        if generation.status == "failed" and generation.id in seen:
            content.pop("error", None)
            content.update(status="succeeded")
        if generation.ended:
            seen.add(generation.id)

    on_read(server, turn)


@mutant("ASY-7", "A poll of a task that has failed is answered 500.")
def poll_of_failed_task_is_500(server: PatchedServer) -> None:
    @server.on_response(OperationId.GET_GENERATION, status=200)
    def rewrite(response: responses.Response, context: RequestContext) -> responses.Response:
        generation = server.hub.generations[context.path_param or ""]
        return (
            responses.error_response(server.error("generationFailed"))
            if generation.status == "failed"
            else response
        )


@mutant("ASY-7", "A task that has failed has no error.", conforms_if_documented=True)
def failed_task_without_error(server: PatchedServer) -> None:
    on_read(server, lambda content, generation, reads: content.pop("error", None) and None)


@mutant("ASY-7", "The error of a task that has failed is a sentence.", conforms_if_documented=True)
def failed_task_error_is_string(server: PatchedServer) -> None:
    on_read(
        server,
        lambda content, generation, reads: (
            content.get("error") and content.update(error=content["error"]["message"]) or None
        ),
    )


@mutant(
    "ASY-7",
    "The error of a task that has failed has the code provider_error.",
    conforms_if_documented=True,
)
def failed_task_with_other_code(server: PatchedServer) -> None:
    on_read(
        server,
        lambda content, generation, reads: (
            content.get("error") and content["error"].update(code="provider_error") or None
        ),
    )


@mutant("ASY-7", "A task that has failed lists images.")
def failed_task_lists_images(server: PatchedServer) -> None:
    def show(content: Any, generation: Generation, reads: int) -> None:
        if generation.status == "failed":
            url = server.api.links(server.hub.name).image_url(generation, 0, "png")
            created_at = content["created_at"]
            content["images"] = [
                {"id": "clx_lost", "object": "image", "url": url, "created_at": created_at}
            ]

    on_read(server, show)

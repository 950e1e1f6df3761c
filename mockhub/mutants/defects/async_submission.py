"""Mutants of the response to an asynchronous request (ASY-1 to ASY-4)."""

from __future__ import annotations

import asyncio

from mockhub.mutants import fields, hooks, responses
from mockhub.mutants.changes import compute, edit, only_if, remove, update, within
from mockhub.mutants.hook import Hook, replace_at, when
from mockhub.mutants.matching import (
    credits_per_image,
    credits_requested,
    has_count,
    has_references,
    is_paid_by,
    is_task,
)
from mockhub.mutants.patched_server import PatchedServer
from mockhub.mutants.registry import Row, mutant, mutant_table
from mockhub.mutants.responses import GenerationChange, send_status
from mockhub.mutants.types import Generation, Json, RequestContext, Response
from mockhub.spec.operations import OperationId
from mockhub.web.responses import json_response

_ACCEPTED = 202
_MAX_TEXT = 255  # characters


mutant_table("ASY-1", responses.on_response(OperationId.CREATE_GENERATION, status=_ACCEPTED))(
    async_is_200=Row("An asynchronous request returns 200 instead of 202.", send_status(200)),
    async_is_201=Row("An asynchronous request returns 201 Created.", send_status(201)),
)
mutant_table("ASY-1", fields.mutate_values())(
    async_ignored=Row("async is ignored: the response waits for the images.", remove("async"))
)
mutant_table("ASY-1", fields.crash_if)(
    long_prompt_of_task_crashes=Row(
        "A task with a prompt of more than 255 characters returns 500.",
        lambda request: is_task(request) and len(request.values.get("prompt", "")) > _MAX_TEXT,
    )
)
mutant_table("ASY-1", responses.mutate_accepted)(
    async_status_is_pending=Row("A new task is `pending`.", update(status="pending")),
    async_status_is_succeeded=Row("A new task is `succeeded`.", update(status="succeeded")),
    async_images_null=Row("The images of a queued task are null.", update(images=None)),
)


@mutant("ASY-1", "A task of several images in a form that fails returns 500 at submission.")
@responses.on_response(OperationId.CREATE_GENERATION, status=_ACCEPTED)
def failing_form_task_is_500(response: Response, context: RequestContext) -> Response:
    task = responses.generation_of(context)
    fails = task.outcome.fail and task.request.n > 1 and bool(task.request.references)
    return responses.error_response(context, "generationFailed") if fails else response


@mutant("ASY-1", "The 202 response lists images that do not exist yet.")
@responses.mutate_accepted.with_server
def async_lists_future_images(server: PatchedServer, content: Json, generation: Generation) -> None:
    images = range(generation.request.n)
    content["images"] = [server.image_json(generation, index) for index in images]


@mutant("ASY-1", "The 202 response is sent only when the images are finished.")
@hooks.wrap_generate.with_server
async def async_waits_for_images(server: PatchedServer, call: hooks.Call) -> Response:
    response = await call.proceed()
    if response.status != _ACCEPTED:
        return response
    generation = server.hub.complete(call.context.generation or "")
    await asyncio.sleep(0.2)
    return json_response(_ACCEPTED, server.log_json(generation))


@mutant("ASY-2", "poll_url is a path without a host.")
@responses.mutate_generation
def poll_url_relative(content: Json, generation: Generation) -> None:
    if "poll_url" in content:
        content["poll_url"] = "/" + content["poll_url"].split("/", 3)[3]


mutant_table("ASY-2", replace_at(responses.mutate_accepted, "poll_url"))(
    poll_url_with_other_id=Row("poll_url has another id.", lambda url, task: url[:-1] + "_"),
    poll_url_with_wrong_path=Row(
        "poll_url has a wrong path.", lambda url, task: url.replace("/api/v1/", "/api/v1/images/")
    ),
    poll_url_without_version=Row(
        "poll_url has no version.", lambda url, task: url.replace("/v1/", "/")
    ),
    poll_url_template=Row(
        "poll_url ends with `:generationId`.",
        lambda url, task: url.replace(task.id, ":generationId"),
    ),
    poll_url_with_https=Row(
        "poll_url begins with https, which the server does not support.",
        lambda url, task: url.replace("http:", "https:"),
        level="inferred",
    ),
)
mutant_table("ASY-2", replace_at(when(has_references, responses.mutate_accepted), "poll_url"))(
    poll_url_relative_with_references=Row(
        "poll_url is a path without a host, for a task with references.",
        lambda url, task: "/" + url.split("/", 3)[3],
    )
)
mutant_table("ASY-2", responses.mutate_accepted)(
    poll_url_missing=Row("The 202 response has no poll_url.", remove("poll_url"))
)
for _field in (*responses.FIELDS, "created_at"):
    mutant("ASY-3", f"The 202 response has no {_field}.", name=f"task_without_{_field}")(
        responses.mutate_accepted(remove(_field))
    )


mutant_table("ASY-3", when(is_paid_by("low"), responses.mutate_accepted))(
    task_of_low_without_created_at=Row(
        "The 202 response of an account with few credits has no created_at.", remove("created_at")
    )
)


@Hook
def mutate_usage(server: PatchedServer, change: GenerationChange) -> None:
    responses.mutate_accepted(within("usage", change))(server)


mutant_table("ASY-4", mutate_usage)(
    queued_usage_charged=Row(
        "The usage.credits of a queued task is its price.", compute(credits=credits_requested)
    ),
    credits_requested_missing=Row("A task has no credits_requested.", remove("credits_requested")),
    credits_requested_for_one_image=Row(
        "credits_requested is the price of one image.", compute(credits_requested=credits_per_image)
    ),
    credits_requested_of_three_missing_one=Row(
        "credits_requested of a task of three images is the price of two.",
        only_if(
            has_count(3),
            compute(credits_requested=lambda generation: 2 * generation.quote.credits_per_image),
        ),
    ),
    credits_requested_of_low_one_more=Row(
        "credits_requested of the account `low` is one credit more.",
        only_if(
            is_paid_by("low"),
            compute(credits_requested=lambda generation: generation.credits_requested + 1),
        ),
    ),
    credits_requested_as_string=Row(
        "credits_requested is a string.", edit("credits_requested", str)
    ),
    credits_requested_counts_images=Row(
        "credits_requested is the number of images.",
        compute(credits_requested=lambda generation: generation.request.n),
    ),
)

"""Mutants of the response to an asynchronous request (ASY-1 to ASY-4)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from mockhub.domain.accounts import Account
from mockhub.domain.generations import Generation
from mockhub.mutants.hooks import (
    hook,
    mutate_accepted,
    mutate_generation,
    on_request_body,
    remove,
    replace_status,
    update,
)
from mockhub.mutants.patched_server import Handler, PatchedServer
from mockhub.mutants.registry import mutant, mutant_table
from mockhub.mutants.responses import Json
from mockhub.spec.operations import OperationId
from mockhub.web.context import RequestContext
from mockhub.web.responses import Response, json_response

_ACCEPTED = 202


@hook
def replace_poll_url(server: PatchedServer, rewrite: Callable[[str, str], str]) -> None:
    """Rewrite poll_url in the 202 response, given the id of the task."""

    @server.mutate_generation(OperationId.CREATE_GENERATION, status=_ACCEPTED)
    def mutate(content: Json, generation: Generation) -> None:
        content["poll_url"] = rewrite(content["poll_url"], generation.id)


@hook
def replace_requested_credits(
    server: PatchedServer, credits: Callable[[Generation], object]
) -> None:
    @server.mutate_generation(OperationId.CREATE_GENERATION, status=_ACCEPTED)
    def mutate(content: Json, generation: Generation) -> None:
        content["usage"]["credits_requested"] = credits(generation)


mutant_table("ASY-1", replace_status(OperationId.CREATE_GENERATION, status=_ACCEPTED))(
    async_is_200=("An asynchronous request returns 200 instead of 202.", 200),
    async_is_201=("An asynchronous request returns 201 Created.", 201),
)
mutant_table("ASY-1", on_request_body)(
    async_ignored=(
        "The field async is ignored: the response waits for the images and is 200.",
        lambda request: request.values.pop("async", None),
    ),
)
mutant_table("ASY-1", mutate_accepted)(
    async_status_is_pending=("A new task is `pending`.", update(status="pending")),
    async_status_is_succeeded=("A new task is `succeeded`.", update(status="succeeded")),
    async_images_null=("The images of a queued task are null.", update(images=None)),
)


@mutant("ASY-1", "The 202 response lists images that do not exist yet.")
def async_lists_future_images(server: PatchedServer) -> None:
    @server.mutate_generation(OperationId.CREATE_GENERATION, status=_ACCEPTED)
    def mutate(content: Json, generation: Generation) -> None:
        content["images"] = [
            server.image_json(generation, index) for index in range(generation.request.n)
        ]


@mutant("ASY-1", "The 202 response is sent only when the images are finished.")
def async_waits_for_images(server: PatchedServer) -> None:
    @server.wrap_handler(OperationId.CREATE_GENERATION)
    async def generate(call_next: Handler, context: RequestContext, account: Account) -> Response:
        response = await call_next(context, account)
        if response.status != _ACCEPTED:
            return response
        generation = server.hub.complete(context.generation or "")
        await asyncio.sleep(0.2)
        return json_response(_ACCEPTED, server.log_json(generation))


# -- poll_url ------------------------------------------------------------------------------------


@mutant("ASY-2", "poll_url is a path without a host.")
@mutate_generation
def poll_url_relative(content: Json, generation: Generation) -> None:
    if "poll_url" in content:
        content["poll_url"] = "/" + content["poll_url"].split("/", 3)[3]


mutant_table("ASY-2", replace_poll_url)(
    poll_url_with_other_id=(
        "poll_url has another id than the task.",
        lambda url, id: url[:-1] + "_",
    ),
    poll_url_with_wrong_path=(
        "poll_url has a path that does not exist.",
        lambda url, id: url.replace("/api/v1/", "/api/v1/images/"),
    ),
    poll_url_without_version=("poll_url has no version.", lambda url, id: url.replace("/v1/", "/")),
    poll_url_template=(
        "poll_url ends with the name of the path parameter instead of the id.",
        lambda url, id: url.replace(id, ":generationId"),
    ),
)
mutant_table("ASY-2", replace_poll_url, level="inferred")(
    poll_url_with_https=(
        "poll_url begins with https, which the server does not support.",
        lambda url, id: url.replace("http:", "https:"),
    ),
)
mutant_table("ASY-2", mutate_accepted)(
    poll_url_missing=("The 202 response has no poll_url.", remove("poll_url")),
)

# -- fields and usage ----------------------------------------------------------------------------

for _name in (
    "object",
    "id",
    "status",
    "model",
    "aspect_ratio",
    "quality",
    "images",
    "usage",
    "created_at",
):
    mutant("ASY-3", f"The 202 response has no {_name}.", name=f"task_without_{_name}")(
        mutate_accepted(remove(_name))
    )

mutant_table("ASY-4", mutate_accepted)(
    queued_usage_charged=(
        "The usage.credits of a queued task is its price.",
        lambda content, generation: content["usage"].update(credits=generation.credits_requested),
    ),
    credits_requested_missing=(
        "A queued task has no credits_requested.",
        lambda content, generation: content["usage"].pop("credits_requested"),
    ),
)
mutant_table("ASY-4", replace_requested_credits)(
    credits_requested_for_one_image=(
        "credits_requested is the price of one image, whatever n is.",
        lambda generation: generation.quote.credits_per_image,
    ),
    credits_requested_as_string=(
        "credits_requested is a string.",
        lambda generation: str(generation.credits_requested),
    ),
    credits_requested_counts_images=(
        "credits_requested is the number of images.",
        lambda generation: generation.request.n,
    ),
)

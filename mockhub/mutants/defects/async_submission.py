"""Defects of the answer to an asynchronous request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from mockhub.domain.accounts import Account
from mockhub.mutants.patched_server import Handler, PatchedServer
from mockhub.mutants.registry import mutant
from mockhub.spec.operations import OperationId
from mockhub.web import responses, serializers
from mockhub.web.context import RequestContext


def on_accepted_response(server: PatchedServer, change: Callable[[Any], object]) -> None:
    """Change the answer to an asynchronous request."""
    server.mutate_json(OperationId.CREATE_GENERATION, status=202)(
        lambda content, context: change(content)
    )


@mutant("ASY-1", "An asynchronous request is answered 200 instead of 202.")
def async_is_200(server: PatchedServer) -> None:
    server.on_response(OperationId.CREATE_GENERATION, status=202)(
        lambda response, context: replace(response, status=200)
    )


@mutant("ASY-1", "An asynchronous request is answered 201 Created.")
def async_is_201(server: PatchedServer) -> None:
    server.on_response(OperationId.CREATE_GENERATION, status=202)(
        lambda response, context: replace(response, status=201)
    )


@mutant("ASY-1", "`async` is not looked at: the answer waits and is 200.")
def async_ignored(server: PatchedServer) -> None:
    server.on_request_body(lambda request: request.values.pop("async", None) and None)


@mutant("ASY-1", "A task that was just submitted is `pending`.")
def async_status_is_pending(server: PatchedServer) -> None:
    on_accepted_response(server, lambda content: content.update(status="pending"))


@mutant("ASY-1", "The 202 says succeeded.")
def async_status_is_succeeded(server: PatchedServer) -> None:
    on_accepted_response(server, lambda content: content.update(status="succeeded"))


@mutant("ASY-1", "The images of a queued task are null.")
def async_images_null(server: PatchedServer) -> None:
    on_accepted_response(server, lambda content: content.update(images=None))


@mutant("ASY-1", "The 202 lists the images that are still to be made.")
def async_lists_future_images(server: PatchedServer) -> None:
    @server.mutate_json(OperationId.CREATE_GENERATION, status=202)
    def rewrite(content: Any, context: RequestContext) -> None:
        generation = server.hub.generations[content["id"]]
        links = server.api.links(server.hub.name)
        content["images"] = [
            {
                "id": server.hub.ids.image(generation.id, index),
                "object": "image",
                "url": links.image_url(generation, index, "png"),
                "created_at": content["created_at"],
            }
            for index in range(generation.request.n)
        ]


@mutant("ASY-1", "The 202 is sent only when the images are there.")
def async_waits_for_images(server: PatchedServer) -> None:
    @server.wrap_handler(OperationId.CREATE_GENERATION)
    async def generate(
        call_next: Handler, context: RequestContext, account: Account
    ) -> responses.Response:
        response = await call_next(context, account)
        if response.status != 202:  # noqa: PLR2004
            return response
        generation = server.hub.complete(context.generation or "")
        links = server.api.links(server.hub.name)
        await asyncio.sleep(0.2)
        return responses.json_response(
            202,
            serializers.generation_log(generation, server.hub, links, now=server.hub.clock.now()),
        )


@mutant("ASY-2", "poll_url is a path without a host.")
def poll_url_relative(server: PatchedServer) -> None:
    server.mutate_generation(
        lambda content, context: (
            content.get("poll_url")
            and content.update(poll_url=content["poll_url"].removeprefix(server.url))
        )
    )


@mutant("ASY-2", "poll_url has another id than the task.")
def poll_url_with_other_id(server: PatchedServer) -> None:
    on_accepted_response(
        server, lambda content: content.update(poll_url=content["poll_url"][:-1] + "_")
    )


@mutant("ASY-2", "poll_url leads to a path that there is not.")
def poll_url_with_wrong_path(server: PatchedServer) -> None:
    on_accepted_response(
        server,
        lambda content: content.update(
            poll_url=content["poll_url"].replace("/api/v1/", "/api/v1/images/")
        ),
    )


@mutant("ASY-2", "poll_url leaves the version out of its path.")
def poll_url_without_version(server: PatchedServer) -> None:
    on_accepted_response(
        server, lambda content: content.update(poll_url=content["poll_url"].replace("/v1/", "/"))
    )


@mutant("ASY-2", "poll_url ends with the name of the id, not with the id.")
def poll_url_template(server: PatchedServer) -> None:
    on_accepted_response(
        server,
        lambda content: content.update(
            poll_url=content["poll_url"].replace(content["id"], ":generationId")
        ),
    )


@mutant("ASY-2", "The 202 has no poll_url.")
def poll_url_missing(server: PatchedServer) -> None:
    on_accepted_response(server, lambda content: content.pop("poll_url") and None)


@mutant("ASY-4", "A queued task's usage.credits is its price.")
def queued_usage_charged(server: PatchedServer) -> None:
    on_accepted_response(
        server,
        lambda content: content["usage"].update(credits=content["usage"]["credits_requested"]),
    )


@mutant("ASY-4", "A queued task does not say what it will cost.")
def credits_requested_missing(server: PatchedServer) -> None:
    on_accepted_response(server, lambda content: content["usage"].pop("credits_requested") and None)


@mutant("ASY-4", "credits_requested is the price of one image, whatever n is.")
def credits_requested_for_one_image(server: PatchedServer) -> None:
    @server.mutate_json(OperationId.CREATE_GENERATION, status=202)
    def rewrite(content: Any, context: RequestContext) -> None:
        generation = server.hub.generations[content["id"]]
        content["usage"]["credits_requested"] = generation.quote.credits_per_image


@mutant("ASY-4", "credits_requested is a string of digits.")
def credits_requested_as_string(server: PatchedServer) -> None:
    on_accepted_response(
        server,
        lambda content: content["usage"].update(
            credits_requested=str(content["usage"]["credits_requested"])
        ),
    )


@mutant("ASY-4", "credits_requested counts the images.")
def credits_requested_counts_images(server: PatchedServer) -> None:
    @server.mutate_json(OperationId.CREATE_GENERATION, status=202)
    def rewrite(content: Any, context: RequestContext) -> None:
        generation = server.hub.generations[content["id"]]
        content["usage"]["credits_requested"] = generation.request.n


@mutant("ASY-2", "poll_url begins with https, which the server does not speak.", level="inferred")
def poll_url_with_https(server: PatchedServer) -> None:
    on_accepted_response(
        server,
        lambda content: content.update(poll_url=content["poll_url"].replace("http:", "https:")),
    )


@mutant("GEN-1", "async=false is taken for true, being there.")
def async_false_is_async(server: PatchedServer) -> None:
    server.on_request_body(
        lambda request: (
            request.values.update({"async": True}) if "async" in request.values else None
        )
    )

"""Defects of what is read back of a generation that has ended."""

from __future__ import annotations

from typing import Any

from mockhub.domain.accounts import Account
from mockhub.domain.generations import Generation
from mockhub.mutants.defects.async_polling import on_read
from mockhub.mutants.patched_server import PatchedServer
from mockhub.mutants.registry import mutant
from mockhub.mutants.wrapping import wrap
from mockhub.spec.operations import OperationId
from mockhub.web import responses, serializers
from mockhub.web.context import RequestContext


@mutant("RET-1", "A synchronous generation cannot be read back.")
def sync_not_stored(server: PatchedServer) -> None:
    @server.on_response(OperationId.GET_GENERATION, status=200)
    def rewrite(response: responses.Response, context: RequestContext) -> responses.Response:
        if server.hub.generations[context.path_param or ""].request.run_async:
            return response
        return responses.error_response(server.error("notFound"))


@mutant("RET-1", "An account's generation is forgotten when its next one but two is made.")
def only_last_three_stored(server: PatchedServer) -> None:
    @server.on_response(OperationId.GET_GENERATION, status=200)
    def rewrite(response: responses.Response, context: RequestContext) -> responses.Response:
        own_ids = [
            generation.id
            for generation in server.hub.generations.values()
            if context.account and generation.account == context.account.id
        ]
        return (
            response
            if context.path_param in own_ids[-3:]
            else responses.error_response(server.error("notFound"))
        )


@mutant("RET-1", "A generation that has ended can be read once.")
def readable_once(server: PatchedServer) -> None:
    read: set[str] = set()

    @server.on_response(OperationId.GET_GENERATION, status=200)
    def rewrite(response: responses.Response, context: RequestContext) -> responses.Response:
        generation = server.hub.generations[context.path_param or ""]
        if generation.id in read:
            return responses.error_response(server.error("notFound"))
        if generation.ended:
            read.add(generation.id)
        return response


@mutant("RET-1", "Whatever id is asked for, the account's newest generation is shown.")
def newest_generation_returned(server: PatchedServer) -> None:
    @wrap(server.hub, "get_generation")
    def read(original: Any, account: Account, id: str) -> Any:
        original(account, id)
        own_ids = [
            generation.id
            for generation in server.hub.generations.values()
            if generation.account == account.id
        ]
        return original(account, own_ids[-1])


@mutant("RET-1", "A synchronous generation reads back without its images.")
def images_not_stored(server: PatchedServer) -> None:
    on_read(
        server,
        lambda content, generation, reads: (
            not generation.request.run_async and content.update(images=[]) or None
        ),
    )


@mutant("RET-1", "Of several images the first is saved.")
def only_first_image_stored(server: PatchedServer) -> None:
    on_read(server, lambda content, generation, reads: content.update(images=content["images"][:1]))


@mutant("RET-1", "The log is wrapped in `data`.")
def log_wrapped(server: PatchedServer) -> None:
    server.replace_json(OperationId.GET_GENERATION, status=200)(
        lambda content, context: {"data": content}
    )


@mutant("RET-1", "The log has no status.")
def log_without_status(server: PatchedServer) -> None:
    on_read(server, lambda content, generation, reads: content.pop("status") and None)


@mutant("RET-1", "The log names the provider's model instead of the API's.")
def log_with_other_model(server: PatchedServer) -> None:
    on_read(server, lambda content, generation, reads: content.update(model="gpt-image-1"))


@mutant("RET-1", "The log has the ratio of a square, whatever was made.")
def log_with_square_ratio(server: PatchedServer) -> None:
    on_read(server, lambda content, generation, reads: content.update(aspect_ratio="1:1"))


@mutant("RET-1", "The log's usage is the price of one image.")
def log_usage_per_image(server: PatchedServer) -> None:
    on_read(
        server,
        lambda content, generation, reads: (
            generation.delivered
            and content["usage"].update(credits=generation.quote.credits_per_image)
            or None
        ),
    )


@mutant("RET-4", "created_at is the moment of the read.")
def created_at_changes_on_read(server: PatchedServer) -> None:
    on_read(
        server,
        lambda content, generation, reads: content.update(
            created_at=serializers.timestamp(server.hub.clock.now() + 1000 * reads)
        ),
    )


@mutant("RET-4", "created_at becomes the moment of the end when a task ends.")
def created_at_changes_at_completion(server: PatchedServer) -> None:
    def change(content: Any, generation: Generation, reads: int) -> None:
        if generation.ended_at and generation.request.run_async:
            content["created_at"] = serializers.timestamp(generation.ended_at + 1000)

    on_read(server, change)


@mutant("RET-4", "Image ids are made anew at each read.")
def image_ids_change(server: PatchedServer) -> None:
    def change(content: Any, generation: Generation, reads: int) -> None:
        for image in content["images"]:
            image["id"] += str(reads)

    on_read(server, change)


@mutant("RET-4", "The images come in another order at each read.")
def image_order_changes(server: PatchedServer) -> None:
    on_read(
        server,
        lambda content, generation, reads: reads % 2 and content["images"].reverse() or None,
    )


@mutant("RET-4", "A read's images are those of another generation, made for the occasion.")
def image_urls_change(server: PatchedServer) -> None:
    def change(content: Any, generation: Generation, reads: int) -> None:
        for index, image in enumerate(content["images"]):
            image["url"] = image["url"].replace(".png", ".jpg" if (index + reads) % 2 else ".webp")

    on_read(server, change)


@mutant("RET-4", "An image's created_at is the moment of the read.")
def image_created_at_changes_on_read(server: PatchedServer) -> None:
    def change(content: Any, generation: Generation, reads: int) -> None:
        for image in content["images"]:
            image["created_at"] = serializers.timestamp(server.hub.clock.now() + 1000 * reads)

    on_read(server, change)


@mutant("RET-4", "usage.credits grows by a credit at each read, in the log only.")
def usage_grows(server: PatchedServer) -> None:
    on_read(
        server,
        lambda content, generation, reads: content["usage"].update(
            credits=content["usage"]["credits"] + reads - 1
        ),
    )


@mutant("RET-4", "From the third read of a generation's end on, its images are gone.")
def images_expire(server: PatchedServer) -> None:
    on_read(
        server,
        lambda content, generation, reads: reads > 4 and content.update(images=[]) or None,  # noqa: PLR2004
    )


def log_without(name: str) -> None:
    """Register a mutant whose log lacks a field that the page names for the answer alone."""
    mutant(
        "RET-1",
        level="inferred",
        name=f"log-without-{name}".replace("_", "-"),
        description=f"The log has no {name}.",
    )(lambda server: on_read(server, lambda content, generation, reads: content.pop(name) and None))


for _name in ("object", "created_at", "aspect_ratio", "quality", "usage"):
    log_without(_name)

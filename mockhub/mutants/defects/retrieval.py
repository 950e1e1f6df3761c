"""Mutants of reading a generation after its end (RET-1, RET-4)."""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle

from mockhub.domain.accounts import Account
from mockhub.domain.generations import Generation
from mockhub.mutants.hooks import (
    at_every,
    hook,
    mutate_log,
    on_response,
    remove,
    replace_json,
    update,
)
from mockhub.mutants.patched_server import Handler, PatchedServer
from mockhub.mutants.registry import mutant, mutant_table
from mockhub.mutants.responses import Json, error_response, generation_of
from mockhub.mutants.wrapping import wrap
from mockhub.spec.operations import OperationId
from mockhub.web.context import RequestContext
from mockhub.web.responses import Response
from mockhub.web.serializers import timestamp

_SECOND = 1000
_EXPIRING_READ = 5

on_read = on_response(OperationId.GET_GENERATION, status=200)


@hook
def hide_if(server: PatchedServer, matches: Callable[[Generation], bool]) -> None:
    """Return 404 for some generations that the account may read."""

    @server.on_response(OperationId.GET_GENERATION, status=200)
    def hide(response: Response, context: RequestContext) -> Response:
        hidden = matches(generation_of(context))
        return error_response(context, "notFound") if hidden else response


mutant_table("RET-1", hide_if)(
    sync_not_stored=(
        "A synchronous generation cannot be read.",
        lambda generation: not generation.request.run_async,
    ),
)
mutant_table("RET-1", at_every(4, on_read))(
    every_fourth_read_not_found=(
        "Every fourth read of an existing generation returns 404.",
        lambda response, context: error_response(context, "notFound"),
    ),
)


@mutant("RET-1", "Only the last three generations of an account can be read.")
@on_read
def only_last_three_stored(response: Response, context: RequestContext) -> Response:
    generations = context.hub.generations.values()
    own_ids = [one.id for one in generations if one.account == generation_of(context).account]
    return response if context.generation in own_ids[-3:] else error_response(context, "notFound")


@mutant("RET-1", "A finished generation can be read once.")
def readable_once(server: PatchedServer) -> None:
    read: set[str] = set()

    def was_read(generation: Generation) -> bool:
        if generation.id in read:
            return True
        if generation.ended:
            read.add(generation.id)
        return False

    hide_if(was_read)(server)


@mutant("RET-1", "A generation can be read only some time after its response; before it is a 404.")
def early_read_not_found(server: PatchedServer) -> None:
    @server.wrap_handler(OperationId.GET_GENERATION)
    async def read(call_next: Handler, context: RequestContext, account: Account) -> Response:
        generation = server.hub.generations.get(context.path_param or "")
        if generation and server.hub.clock.now() - generation.created_at < 1.5 * _SECOND:
            raise server.error("notFound")
        return await call_next(context, account)


@mutant("RET-1", "Whatever id is requested, the newest generation of the account is returned.")
def newest_generation_returned(server: PatchedServer) -> None:
    @wrap(server.hub, "get_generation")
    def read(original: Callable[..., Generation], account: Account, id: str) -> Generation:
        original(account, id)
        return original(account, server.generation_ids(account)[-1])


@mutant("RET-1", "Generation ids repeat after three.")
def generation_ids_repeat(server: PatchedServer) -> None:
    ids = cycle("123")
    wrap(server.hub.ids, "generation")(lambda original: f"clx_generation_{next(ids)}")


mutant_table("RET-1", mutate_log)(
    images_not_stored=(
        "The log of a synchronous generation has no images.",
        lambda content, generation, reads: content.update(
            images=content["images"] if generation.request.run_async else []
        ),
    ),
    only_first_image_stored=(
        "The log has only the first of several images.",
        lambda content, generation, reads: content.update(images=content["images"][:1]),
    ),
    log_without_status=("The log has no status.", remove("status")),
    log_with_other_model=("The log has the model of the provider.", update(model="gpt-image-1")),
    log_with_square_ratio=("The log always has the ratio 1:1.", update(aspect_ratio="1:1")),
    log_usage_per_image=(
        "The usage in the log is the price of one image.",
        lambda content, generation, reads: content["usage"].update(
            credits=generation.quote.credits_per_image * min(1, generation.delivered)
        ),
    ),
)
mutant_table("RET-1", replace_json(OperationId.GET_GENERATION, status=200))(
    log_wrapped=("The log is wrapped in `data`.", lambda content, context: {"data": content}),
)
for _name in ("object", "created_at", "aspect_ratio", "quality", "usage"):
    mutant("RET-1", f"The log has no {_name}.", level="inferred", name=f"log_without_{_name}")(
        mutate_log(remove(_name))
    )

# -- stability -----------------------------------------------------------------------------------


@hook
def mutate_logged_images(server: PatchedServer, change: Callable[[Json, int, int], object]) -> None:
    """Change each image of a log, given its index and how often the log has been read."""

    def mutate(content: Json, generation: Generation, reads: int) -> None:
        for index, image in enumerate(content["images"]):
            change(image, index, reads)

    mutate_log(mutate)(server)


mutant_table("RET-4", mutate_log)(
    image_order_changes=(
        "The order of the images changes at each read.",
        lambda content, generation, reads: content["images"].reverse() if reads % 2 else None,
    ),
    usage_grows=(
        "The usage.credits in the log grows by one at each read.",
        lambda content, generation, reads: content["usage"].update(
            credits=content["usage"]["credits"] + reads - 1
        ),
    ),
    images_expire=(
        "From the fifth read on, a generation has no images.",
        lambda content, generation, reads: content.update(
            images=content["images"] if reads < _EXPIRING_READ else []
        ),
    ),
    created_at_changes_at_completion=(
        "The created_at of a task becomes the time of its end when it ends.",
        lambda content, generation, reads: (
            content.update(created_at=timestamp(generation.ended_at + _SECOND))
            if generation.ended_at and generation.request.run_async
            else None
        ),
    ),
)
mutant_table("RET-4", mutate_logged_images)(
    image_ids_change=(
        "The ids of images change at each read.",
        lambda image, index, reads: image.update(id=f"{image['id']}{reads}"),
    ),
    image_urls_change=(
        "The images of a log are other images at each read.",
        lambda image, index, reads: image.update(
            url=image["url"].replace(".png", ".jpg" if (index + reads) % 2 else ".webp")
        ),
    ),
)


@mutant("RET-4", "created_at is the time of the read.")
def created_at_changes_on_read(server: PatchedServer) -> None:
    @mutate_log
    def change(content: Json, generation: Generation, reads: int) -> None:
        content["created_at"] = timestamp(server.hub.clock.now() + reads * _SECOND)

    change(server)


@mutant("RET-4", "The created_at of images is the time of the read.")
def image_created_at_changes_on_read(server: PatchedServer) -> None:
    @mutate_logged_images
    def change(image: Json, index: int, reads: int) -> None:
        image["created_at"] = timestamp(server.hub.clock.now() + reads * _SECOND)

    change(server)

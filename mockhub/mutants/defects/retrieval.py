"""Mutants of reading a generation after its end (RET-1, RET-4)."""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle

from mockhub.mutants import hooks, responses
from mockhub.mutants.changes import edit, only_if, remove, update
from mockhub.mutants.hook import at_every, when
from mockhub.mutants.matching import (
    all_of,
    has_count,
    has_failed,
    has_references,
    is_async,
    is_sync,
)
from mockhub.mutants.patched_server import PatchedServer
from mockhub.mutants.registry import Row, mutant, mutant_table
from mockhub.mutants.responses import send_error
from mockhub.mutants.types import Account, Generation, Json, RequestContext, Response
from mockhub.mutants.wrapping import Original, wrap
from mockhub.spec.operations import OperationId
from mockhub.web.serializers import timestamp

_SECOND = 1000
_SAME_MOMENT = 50  # milliseconds
_EXPIRING_READ = 5
_LAST_COMPLETE_READ = 6  # the checks read a generation more often


@responses.on_read.adapted
def hide_if(
    matches: Callable[[Generation], bool], response: Response, context: RequestContext
) -> Response:
    """Return 404 for some generations that the account may read."""
    hidden = matches(responses.generation_of(context))
    return responses.error_response(context, "notFound") if hidden else response


mutant_table("RET-1", hide_if)(
    sync_not_stored=Row("A synchronous generation cannot be read.", is_sync)
)
mutant_table("RET-1", when(all_of(has_failed, has_count(3)), responses.mutate_log))(
    failed_task_of_three_with_other_id=Row(
        "The log of a failed task of three images has another id.",
        edit("id", lambda id: f"{id}_3"),
    )
)
mutant_table("RET-1", when(all_of(has_failed, has_references), responses.mutate_log))(
    failed_form_task_is_1k=Row(
        "The log of a failed task with references has the quality 1K.", update(quality="1K")
    )
)
mutant_table("RET-1", at_every(4, responses.on_read))(
    every_fourth_read_not_found=Row(
        "Every fourth read of an existing generation returns 404.", send_error("notFound")
    )
)


@mutant("RET-1", "Only the last three generations of an account can be read.")
@hide_if.with_server
def only_last_three_stored(server: PatchedServer, generation: Generation) -> bool:
    account = server.hub.accounts[generation.account]
    return generation.id not in server.generation_ids(account)[-3:]


@mutant("RET-1", "From its seventh read on, a generation lacks its last image.")
@responses.mutate_log_at_read
def image_lost_after_reads(content: Json, generation: Generation, reads: int) -> None:
    if reads > _LAST_COMPLETE_READ:
        del content["images"][-1:]


@mutant("RET-1", "Tasks that run at the same time end with the images of the first of them.")
@when(is_async, responses.mutate_log).with_server
def images_of_concurrent_task(server: PatchedServer, content: Json, generation: Generation) -> None:
    first = next(
        one
        for one in server.hub.generations.values()
        if is_async(one) and generation.created_at - one.created_at < _SAME_MOMENT
    )
    if first.account == generation.account:
        images = server.log_json(first)["images"]
        content["images"][: len(images)] = images[: len(content["images"])]


@mutant("RET-1", "A finished generation can be read once.")
def readable_once(server: PatchedServer) -> None:
    read: set[str] = set()

    @hide_if.on(server)
    def was_read(generation: Generation) -> bool:
        if generation.id in read:
            return True
        if generation.ended:
            read.add(generation.id)
        return False


@mutant("RET-1", "A generation can be read only some time after its response; before it is a 404.")
@hooks.wrap_handler(OperationId.GET_GENERATION).with_server
async def early_read_not_found(server: PatchedServer, call: hooks.Call) -> Response:
    generation = server.hub.generations.get(call.context.path_param or "")
    if generation and server.hub.clock.now() - generation.created_at < 1.5 * _SECOND:
        raise server.error("notFound")
    return await call.proceed()


@mutant("RET-1", "A synchronous generation is a 404 for a fraction of a second.")
@hide_if.with_server
def sync_stored_late(server: PatchedServer, generation: Generation) -> bool:
    return is_sync(generation) and server.hub.clock.now() - generation.created_at < _SECOND // 4


@mutant("RET-1", "Whatever id is requested, the newest generation of the account is returned.")
def newest_generation_returned(server: PatchedServer) -> None:
    @wrap(server.hub, "get_generation")
    def read(original: Original, account: Account, id: str) -> object:
        original(account, id)
        return original(account, server.generation_ids(account)[-1])


@mutant("RET-1", "Generation ids repeat after three.")
def generation_ids_repeat(server: PatchedServer) -> None:
    ids = cycle("123")
    wrap(server.hub.ids, "generation")(lambda original: f"clx_generation_{next(ids)}")


@mutant("RET-1", "Every twentieth generation has the id of the one before it.")
def every_twentieth_generation_id_repeats(server: PatchedServer) -> None:
    ids = [""]

    @wrap(server.hub.ids, "generation")
    def next_id(original: Original) -> str:
        ids.append(original() if len(ids) % 20 else ids[-1])
        return ids[-1]


@mutant("RET-1", "The usage in the log is the price of one image.")
@responses.mutate_log
def log_usage_per_image(content: Json, generation: Generation) -> None:
    images = min(1, generation.delivered)
    content["usage"]["credits"] = generation.quote.price(images)


mutant_table("RET-1", responses.mutate_log)(
    images_not_stored=Row(
        "The log of a synchronous generation has no images.", only_if(is_sync, update(images=[]))
    ),
    only_first_image_stored=Row(
        "The log has only the first of several images.", edit("images", lambda images: images[:1])
    ),
    log_without_status=Row("The log has no status.", remove("status")),
    log_with_other_model=Row("The log has the model of the provider.", update(model="gpt-image-1")),
    log_with_square_ratio=Row("The log always has the ratio 1:1.", update(aspect_ratio="1:1")),
)
mutant_table("RET-1", responses.replace_json(OperationId.GET_GENERATION, status=200))(
    log_wrapped=Row("The log is wrapped in `data`.", lambda content, context: {"data": content})
)
for _field in ("object", "created_at", "aspect_ratio", "quality", "usage"):
    mutant("RET-1", f"The log has no {_field}.", level="inferred", name=f"log_without_{_field}")(
        responses.mutate_log(remove(_field))
    )


@responses.mutate_log_at_read.adapted
def mutate_logged_images(
    change: Callable[[Json, int, int], object], content: Json, generation: Generation, reads: int
) -> None:
    """Change each image of a log, given its index and how often the log has been read."""
    for index, image in enumerate(content["images"]):
        change(image, index, reads)


mutant_table("RET-4", responses.mutate_log_at_read)(
    image_order_changes=Row(
        "The order of the images changes at each read.",
        lambda content, generation, reads: content["images"].reverse() if reads % 2 else None,
    ),
    usage_grows=Row(
        "The usage.credits in the log grows by one at each read.",
        lambda content, generation, reads: content["usage"].update(
            credits=content["usage"]["credits"] + reads - 1
        ),
    ),
    images_expire=Row(
        "From the fifth read on, a generation has no images.",
        lambda content, generation, reads: (
            content.update(images=[]) if reads >= _EXPIRING_READ else None
        ),
    ),
)


@mutant(
    "RET-4",
    "The created_at of a task becomes the time of its end when it ends.",
    conforms_if_documented=True,
)
@when(is_async, responses.mutate_log)
def created_at_changes_at_completion(content: Json, generation: Generation) -> None:
    if generation.ended_at:
        content["created_at"] = timestamp(generation.ended_at + _SECOND)


mutant_table("RET-4", mutate_logged_images)(
    image_ids_change=Row(
        "The ids of images change at each read.",
        lambda image, index, reads: image.update(id=f"{image['id']}{reads}"),
    ),
    image_urls_change=Row(
        "The images of a log are other images at each read.",
        lambda image, index, reads: image.update(
            url=image["url"].replace(".png", ".jpg" if (index + reads) % 2 else ".webp")
        ),
    ),
)


@mutant("RET-4", "created_at is the time of the read.", conforms_if_documented=True)
def created_at_changes_on_read(server: PatchedServer) -> None:
    @responses.mutate_log_at_read.on(server)
    def change(content: Json, generation: Generation, reads: int) -> None:
        content["created_at"] = timestamp(server.hub.clock.now() + reads * _SECOND)


@mutant("RET-4", "The created_at of images is the time of the read.")
def image_created_at_changes_on_read(server: PatchedServer) -> None:
    @mutate_logged_images.on(server)
    def change(image: Json, index: int, reads: int) -> None:
        image["created_at"] = timestamp(server.hub.clock.now() + reads * _SECOND)

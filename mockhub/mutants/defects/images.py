"""Mutants of images (GEN-10, GEN-11): their URLs, their content and their ids."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from msgspec.structs import replace

from mockhub.domain.accounts import Account
from mockhub.domain.generations import Generation
from mockhub.domain.provider import Outcome
from mockhub.images.image_spec import ImageSpec
from mockhub.mutants.hooks import at_every, hook, mutate_images, on_image_response
from mockhub.mutants.patched_server import PatchedServer
from mockhub.mutants.registry import mutant, mutant_table
from mockhub.mutants.responses import Json, with_body
from mockhub.mutants.wrapping import wrap
from mockhub.spec.catalog import Quote
from mockhub.spec.generation_request import GenerationRequest
from mockhub.web import responses


@hook
def change_rendering(server: PatchedServer, change: Callable[[ImageSpec], ImageSpec]) -> None:
    @wrap(server.app.image_endpoint, "render")
    async def render(original: Callable[[ImageSpec], Awaitable[bytes]], image: ImageSpec) -> bytes:
        return await original(change(image))


def break_url(image: Json) -> None:
    image["url"] = image["url"].replace(".png", ".tif")


mutant_table("GEN-10", mutate_images)(
    images_not_found=("Image URLs return 404.", lambda image, index: break_url(image)),
    second_image_not_found=(
        "Of several images only the first can be fetched.",
        lambda image, index: break_url(image) if index else None,
    ),
    image_urls_identical=(
        "All images of a generation have the URL of the first.",
        lambda image, index: image.update(url=image["url"].replace(f"/{index + 1}.png", "/1.png")),
    ),
)
mutant_table("GEN-10", at_every(3, mutate_images))(
    every_third_image_not_found=(
        "Every third image URL returns 404.",
        lambda image, index: break_url(image),
    ),
)


@mutant("GEN-10", "Image URLs are paths without a host.", conforms_if_documented=True)
def image_urls_relative(server: PatchedServer) -> None:
    mutate_images(lambda image, index: image.update(url=image["url"].removeprefix(server.url)))(
        server
    )


mutant_table("GEN-10", mutate_images, conforms_if_documented=True)(
    image_urls_are_file_urls=(
        "Image URLs are file URLs of the disk of the server.",
        lambda image, index: image.update(url=f"file:///var/images/{index}.png"),
    ),
)
mutant_table("GEN-10", change_rendering)(
    images_too_small=(
        "Every image has 512x512 pixels, whatever size was requested.",
        lambda image: replace(image, width=512, height=512),
    ),
    images_always_square=(
        "Every image has 1024x1024 pixels, whatever size was requested.",
        lambda image: replace(image, width=1024, height=1024),
    ),
    image_width_and_height_swapped=(
        "The width and the height of images are swapped.",
        lambda image: replace(image, width=image.height, height=image.width),
    ),
    images_16_pixels_shorter=(
        "Images are 16 pixels lower than requested.",
        lambda image: replace(image, height=image.height - 16),
    ),
)
mutant_table("GEN-10", on_image_response)(
    images_are_html=(
        "An image URL returns an HTML page with the image.",
        lambda response, scope, headers: with_body(
            response, b"<!DOCTYPE html><img src=image.png>", "text/html"
        ),
    ),
    images_are_empty=(
        "Images are empty files.",
        lambda response, scope, headers: with_body(response, b""),
    ),
    images_truncated=(
        "Images are truncated after 1,000 bytes.",
        lambda response, scope, headers: with_body(response, response.body[:1000]),
    ),
    images_are_json_errors=(
        "An image URL returns 200 with an error in JSON.",
        lambda response, scope, headers: with_body(
            response, b'{"error": {"message": "gone", "code": "notFound"}}', "application/json"
        ),
    ),
)


@mutant("GEN-10", "Images can be fetched only with an API key.")
def images_require_key(server: PatchedServer) -> None:
    missing_key = responses.error_response(server.error("missingApiKey"))
    on_image_response(
        lambda response, scope, headers: response if b"authorization" in headers else missing_key
    )(server)


# -- ids -----------------------------------------------------------------------------------------

mutant_table("GEN-11", mutate_images)(
    image_ids_identical=(
        "All images of a generation have the same id.",
        lambda image, index: image.update(id="clx" + image["url"].split("/")[-3]),
    ),
    image_ids_repeat_across_generations=(
        "Image ids count from 1 in each generation.",
        lambda image, index: image.update(id=f"img_{index + 1}"),
    ),
)


@mutant("GEN-11", "The id of a generation is derived from its prompt, so that ids repeat.")
def generation_ids_derived_from_prompt(server: PatchedServer) -> None:
    @wrap(server.hub, "start_generation")
    def start(
        original: Callable[..., Generation],
        account: Account,
        request: GenerationRequest,
        quote: Quote,
        outcome: Outcome,
        id: str,
        now: int,
    ) -> Generation:
        derived_id = "clx" + request.prompt.encode().hex()[:22]
        return original(account, request, quote, outcome, derived_id, now)


@mutant("GEN-11", "Generations created within a tenth of a second have the same id.")
def concurrent_requests_share_id(server: PatchedServer) -> None:
    ids_by_time: dict[int, str] = {}

    @wrap(server.hub.ids, "generation")
    def generation(original: Callable[[], str]) -> str:
        return ids_by_time.setdefault(server.hub.clock.now() // 100, original())

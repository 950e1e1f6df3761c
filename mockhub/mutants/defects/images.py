"""Mutants of images (GEN-10, GEN-11): their URLs, their content and their ids."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from urllib.parse import urlsplit

from msgspec.structs import replace

from mockhub.images.image_spec import ImageSpec
from mockhub.mutants import hooks, responses
from mockhub.mutants.changes import edit
from mockhub.mutants.hook import Hook, at_every, hook_factory
from mockhub.mutants.patched_server import PatchedServer
from mockhub.mutants.registry import Row, mutant, mutant_table
from mockhub.mutants.responses import send_body, send_status
from mockhub.mutants.types import Json, RequestHeaders, Scope
from mockhub.mutants.wrapping import Original, wrap
from mockhub.web.responses import Response, error_response


@Hook
def change_rendering(server: PatchedServer, change: Callable[[ImageSpec], ImageSpec]) -> None:
    @wrap(server.api.images, "render")
    async def render(original: Original, image: ImageSpec, *options: object) -> object:
        return await original(change(image), *options)


def break_url(image: Json, index: int) -> None:
    image["url"] = image["url"].replace(".png", ".tif")


mutant_table("GEN-10", responses.mutate_images)(
    images_not_found=Row("Image URLs return 404.", break_url),
    second_image_not_found=Row(
        "Of several images only the first can be fetched.",
        lambda image, index: break_url(image, index) if index else None,
    ),
    image_urls_identical=Row(
        "All images of a generation have the URL of the first.",
        lambda image, index: image.update(url=image["url"].replace(f"/{index + 1}.png", "/1.png")),
    ),
)
mutant_table("GEN-10", at_every(3, responses.mutate_images))(
    every_third_image_not_found=Row("Every third image URL returns 404.", break_url)
)


@mutant("GEN-10", "Image URLs are paths without a host.", conforms_if_documented=True)
def image_urls_relative(server: PatchedServer) -> None:
    responses.mutate_images(edit("url", lambda url: url.removeprefix(server.url)))(server)


mutant_table("GEN-10", responses.mutate_images, conforms_if_documented=True)(
    image_urls_are_file_urls=Row(
        "Image URLs are file URLs of the disk of the server.",
        lambda image, index: image.update(url=f"file://{urlsplit(image['url']).path}"),
    )
)
mutant_table("GEN-10", change_rendering)(
    images_too_small=Row(
        "Every image has 512x512 pixels.", lambda image: replace(image, width=512, height=512)
    ),
    images_always_square=Row(
        "Every image has 1024x1024 pixels.", lambda image: replace(image, width=1024, height=1024)
    ),
    image_width_and_height_swapped=Row(
        "The width and the height of images are swapped.",
        lambda image: replace(image, width=image.height, height=image.width),
    ),
    images_16_pixels_shorter=Row(
        "Images are 16 pixels too low.", lambda image: replace(image, height=image.height - 16)
    ),
    images_of_generation_identical=Row(
        "All images of a generation are the first, each at its own URL.",
        lambda image: replace(image, index=0),
    ),
)
mutant_table("GEN-10", responses.on_image_response)(
    images_are_html=Row(
        "An image URL returns an HTML page.", send_body(b"<!DOCTYPE html><img>", "text/html")
    ),
    images_are_empty=Row("Images are empty files.", send_body(b"")),
    images_truncated=Row(
        "Images are truncated after 1,000 bytes.",
        lambda response, scope, headers: responses.with_body(response, response.body[:1000]),
    ),
    images_lack_their_end=Row(
        "Images lack their last 200 bytes.",
        lambda response, scope, headers: responses.with_body(response, response.body[:-200]),
    ),
    pngs_lack_their_end=Row(
        "Images lack their last 12 bytes, which hold no pixels of a PNG.",
        lambda response, scope, headers: responses.with_body(response, response.body[:-12]),
    ),
    images_are_json_errors=Row(
        "An image URL returns 200 with an error in JSON.",
        send_body(b'{"error": {"message": "gone", "code": "notFound"}}', "application/json"),
    ),
)


mutant_table("GEN-10", responses.on_image_response)(
    images_declared_as_jpeg=Row(
        "Images are declared as image/jpeg, whatever they are.",
        responses.send_content_type("image/jpeg"),
    )
)


@hook_factory
def after_reads(server: PatchedServer, change: Callable[[Response], Response], reads: int) -> None:
    """Change the response to each request of an image after so many others."""
    count: Counter[str] = Counter()

    @responses.on_image_response.on(server)
    def read(response: Response, scope: Scope, headers: RequestHeaders) -> Response:
        count[scope["path"]] += 1
        return change(response) if count[scope["path"]] > reads else response


mutant_table("GEN-10", after_reads(1))(
    images_change_on_reread=Row(
        "From the second read on, an image has another byte at its end.",
        lambda response: responses.with_body(response, response.body + b"\0"),
    )
)
mutant_table("GEN-10", after_reads(2))(
    images_expire_after_two_reads=Row(
        "An image can be fetched twice; then its URL is a 404.", send_status(404)
    )
)


@mutant("GEN-10", "Images can be fetched only with an API key.")
def images_require_key(server: PatchedServer) -> None:
    missing_key = error_response(server.error("missingApiKey"))
    responses.on_image_response(
        lambda response, scope, headers: response if hooks.AUTHORIZATION in headers else missing_key
    )(server)


mutant_table("GEN-11", responses.mutate_images)(
    image_ids_identical=Row(
        "All images of a generation have the same id.",
        lambda image, index: image.update(id="clx" + image["url"].split("/")[-3]),
    ),
    image_ids_repeat_across_generations=Row(
        "Image ids count from 1 in each generation.",
        lambda image, index: image.update(id=f"img_{index + 1}"),
    ),
)
mutant_table("GEN-11", hooks.on_start)(
    generation_ids_derived_from_prompt=Row(
        "The id of a generation is derived from its prompt, so that ids repeat.",
        lambda start: start._replace(id="clx" + start.request.prompt.encode().hex()[:22]),
    )
)


@mutant("GEN-11", "Generations created within a tenth of a second have the same id.")
def concurrent_requests_share_id(server: PatchedServer) -> None:
    ids_by_time: dict[int, str] = {}

    @wrap(server.hub.ids, "generation")
    def generation(original: Callable[[], str]) -> str:
        return ids_by_time.setdefault(server.hub.clock.now() // 100, original())

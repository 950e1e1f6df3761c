"""Defects of the images themselves: where they are, who may see them, and what they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from mockhub.images.renderer import ImageSpec
from mockhub.mutants.patched_server import PatchedServer
from mockhub.mutants.registry import mutant
from mockhub.mutants.responses import with_body
from mockhub.mutants.wrapping import wrap
from mockhub.web import responses
from mockhub.web.context import RequestContext


def on_images(server: PatchedServer, change: Callable[[dict[str, Any], int], object]) -> None:
    """Change each image of every generation; *change* knows its place, from 0."""

    @server.mutate_generation
    def rewrite(content: Any, context: RequestContext) -> None:
        for index, image in enumerate(content.get("images") or ()):
            change(image, index)


def on_image_response(
    server: PatchedServer,
    change: Callable[[responses.Response, Any, dict[bytes, bytes]], responses.Response],
) -> None:
    """Change what an image's address answers."""

    @wrap(server.app.image_endpoint, "handle")
    async def handle(original: Any, scope: Any, headers: dict[bytes, bytes]) -> responses.Response:
        return change(await original(scope, headers), scope, headers)


def resize_images(server: PatchedServer, width: int, height: int) -> None:
    """Draw every picture in one size, or in one made from its own."""

    @wrap(server.app.image_endpoint, "render")
    async def render(original: Any, image: ImageSpec) -> Any:
        return await original(replace(image, width=width, height=height))


@mutant("GEN-10", "Image URLs are paths without a host.", conforms_if_documented=True)
def image_urls_relative(server: PatchedServer) -> None:
    on_images(server, lambda image, index: image.update(url=image["url"].removeprefix(server.url)))


@mutant(
    "GEN-10", "Image URLs are those of files on the server's disk.", conforms_if_documented=True
)
def image_urls_are_file_urls(server: PatchedServer) -> None:
    on_images(server, lambda image, index: image.update(url=f"file:///var/images/{index}.png"))


@mutant("GEN-10", "Image URLs of the server's own host lead nowhere.")
def images_not_found(server: PatchedServer) -> None:
    on_images(server, lambda image, index: image.update(url=image["url"].replace(".png", ".tif")))


@mutant("GEN-10", "Only the first image of several can be fetched.")
def second_image_not_found(server: PatchedServer) -> None:
    on_images(
        server,
        lambda image, index: index and image.update(url=image["url"].replace(".png", ".tif")),
    )


@mutant("GEN-10", "Images are shown only to who brings a key.")
def images_require_key(server: PatchedServer) -> None:
    def require_key(
        response: responses.Response, scope: Any, headers: dict[bytes, bytes]
    ) -> responses.Response:
        has_key = b"authorization" in headers
        return response if has_key else responses.error_response(server.error("missingApiKey"))

    on_image_response(server, require_key)


@mutant("GEN-10", "Every image is 512x512, whatever was asked for.")
def images_too_small(server: PatchedServer) -> None:
    resize_images(server, 512, 512)


@mutant("GEN-10", "Every image is 1024x1024, whatever was asked for.")
def images_always_square(server: PatchedServer) -> None:
    resize_images(server, 1024, 1024)


@mutant("GEN-10", "Width and height of the images are exchanged.")
def image_width_and_height_swapped(server: PatchedServer) -> None:
    @wrap(server.app.image_endpoint, "render")
    async def render(original: Any, image: ImageSpec) -> Any:
        return await original(replace(image, width=image.height, height=image.width))


@mutant("GEN-10", "Images are 16 pixels lower than asked for.")
def images_16_pixels_shorter(server: PatchedServer) -> None:
    @wrap(server.app.image_endpoint, "render")
    async def render(original: Any, image: ImageSpec) -> Any:
        return await original(replace(image, height=image.height - 16))


@mutant("GEN-10", "An image's address shows a page about it.")
def images_are_html(server: PatchedServer) -> None:
    page = b"<!DOCTYPE html><img src=image.png>"
    on_image_response(
        server, lambda response, scope, headers: with_body(response, page, "text/html")
    )


@mutant("GEN-10", "Images are files with nothing in them.")
def images_are_empty(server: PatchedServer) -> None:
    on_image_response(server, lambda response, scope, headers: with_body(response, b""))


@mutant("GEN-10", "Images break off after their first thousand bytes.")
def images_truncated(server: PatchedServer) -> None:
    on_image_response(
        server, lambda response, scope, headers: with_body(response, response.body[:1000])
    )


@mutant("GEN-10", "An image's address answers 200 with an error in JSON.")
def images_are_json_errors(server: PatchedServer) -> None:
    error = b'{"error": {"message": "gone", "code": "notFound"}}'
    on_image_response(
        server, lambda response, scope, headers: with_body(response, error, "application/json")
    )


@mutant("GEN-11", "The images of one generation all have one id.")
def image_ids_identical(server: PatchedServer) -> None:
    on_images(server, lambda image, index: image.update(id="clx" + image["url"].split("/")[-2]))


@mutant("GEN-11", "Image ids count from 1 in each generation.")
def image_ids_repeat_across_generations(server: PatchedServer) -> None:
    on_images(server, lambda image, index: image.update(id=f"img_{index + 1}"))


@mutant("GEN-10", "The images of one generation all have the address of the first.")
def image_urls_identical(server: PatchedServer) -> None:
    on_images(
        server,
        lambda image, index: image.update(url=image["url"].replace(f"/{index + 1}.png", "/1.png")),
    )


@mutant("RET-1", "Generation ids repeat after three.")
def generation_ids_repeat(server: PatchedServer) -> None:
    counter: dict[str, int] = {"made": 0}

    @wrap(server.hub.ids, "generation")
    def generation(original: Any) -> str:
        counter["made"] += 1
        return f"clx_generation_{counter['made'] % 3}"


@mutant("GEN-11", "A generation's id is made from its prompt: the same prompt has the same id.")
def generation_ids_derived_from_prompt(server: PatchedServer) -> None:
    @wrap(server.hub, "start_generation")
    def begin(
        original: Any, account: Any, request: Any, quote: Any, outcome: Any, id: str, now: int
    ) -> Any:
        derived_id = "clx" + request.prompt.encode().hex()[:22]
        return original(account, request, quote, outcome, derived_id, now)


@mutant("GEN-12", "1536x1024 is billed as 2K.", conforms_if_documented=True)
def wide_size_billed_as_2k(server: PatchedServer) -> None:
    edit_tier_bounds(server, {"1K": "1024x1024"})


@mutant("GEN-12", "2048x2048 is billed as 4K.", conforms_if_documented=True)
def large_square_billed_as_4k(server: PatchedServer) -> None:
    edit_tier_bounds(server, {"2K": "1920x1920"})


@mutant("GEN-12", "3840x2160 is billed as 2K.", conforms_if_documented=True)
def largest_size_billed_as_2k(server: PatchedServer) -> None:
    edit_tier_bounds(server, {"2K": "3840x2160"})


@mutant("MOD-4", "auto is billed as 2K.")
def auto_size_billed_as_2k(server: PatchedServer) -> None:
    server.schema("Size")["x-sizes"]["auto"] = "2048x2048"


def edit_tier_bounds(server: PatchedServer, bounds: dict[str, str]) -> None:
    """Bill sizes by other bounds."""
    server.schema("Size")["x-sizes"]["tiers"].update(bounds)

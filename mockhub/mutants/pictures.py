"""Defects of the images themselves: where they are, who may see them, and what they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from mockhub.mutants.house import House, around
from mockhub.mutants.registry import mutant
from mockhub.mutants.replies import with_body
from mockhub.web import wire
from mockhub.web.visit import Visit
from mockhub.world.images import Picture


def on_images(house: House, change: Callable[[dict[str, Any], int], object]) -> None:
    """Change each image of every generation; *change* knows its place, from 0."""

    @house.on_generation
    def rewrite(content: Any, visit: Visit) -> None:
        for index, image in enumerate(content.get("images") or ()):
            change(image, index)


def on_fetch(
    house: House, change: Callable[[wire.Answer, Any, dict[bytes, bytes]], wire.Answer]
) -> None:
    """Change what an image's address answers."""

    @around(house.app.pictures, "_answer")
    async def answered(original: Any, scope: Any, headers: dict[bytes, bytes]) -> wire.Answer:
        return change(await original(scope, headers), scope, headers)


def resized(house: House, width: int, height: int) -> None:
    """Draw every picture in one size, or in one made from its own."""

    @around(house.app.pictures, "_drawn")
    async def drawn(original: Any, picture: Picture) -> Any:
        return await original(replace(picture, width=width, height=height))


@mutant("GEN-10", tolerable=True)
def image_urls_relative(house: House) -> None:
    """Image URLs are paths without a host."""
    on_images(house, lambda image, index: image.update(url=image["url"].removeprefix(house.url)))


@mutant("GEN-10", tolerable=True)
def image_urls_of_a_disk(house: House) -> None:
    """Image URLs are those of files on the server's disk."""
    on_images(house, lambda image, index: image.update(url=f"file:///var/images/{index}.png"))


@mutant("GEN-10")
def images_dead(house: House) -> None:
    """Image URLs of the server's own host lead nowhere."""
    on_images(house, lambda image, index: image.update(url=image["url"].replace(".png", ".tif")))


@mutant("GEN-10")
def second_image_dead(house: House) -> None:
    """Only the first image of several can be fetched."""
    on_images(
        house,
        lambda image, index: index and image.update(url=image["url"].replace(".png", ".tif")),
    )


@mutant("GEN-10")
def images_need_a_key(house: House) -> None:
    """Images are shown only to who brings a key."""

    def locked(answer: wire.Answer, scope: Any, headers: dict[bytes, bytes]) -> wire.Answer:
        open_ = b"authorization" in headers
        return answer if open_ else wire.refusal(house.error("missingApiKey"))

    on_fetch(house, locked)


@mutant("GEN-10")
def images_too_small(house: House) -> None:
    """Every image is 512x512, whatever was asked for."""
    resized(house, 512, 512)


@mutant("GEN-10")
def images_always_square(house: House) -> None:
    """Every image is 1024x1024, whatever was asked for."""
    resized(house, 1024, 1024)


@mutant("GEN-10")
def images_turned(house: House) -> None:
    """Width and height of the images are exchanged."""

    @around(house.app.pictures, "_drawn")
    async def drawn(original: Any, picture: Picture) -> Any:
        return await original(replace(picture, width=picture.height, height=picture.width))


@mutant("GEN-10")
def images_a_little_smaller(house: House) -> None:
    """Images are 16 pixels lower than asked for."""

    @around(house.app.pictures, "_drawn")
    async def drawn(original: Any, picture: Picture) -> Any:
        return await original(replace(picture, height=picture.height - 16))


@mutant("GEN-10")
def images_are_pages(house: House) -> None:
    """An image's address shows a page about it."""
    page = b"<!DOCTYPE html><img src=image.png>"
    on_fetch(house, lambda answer, scope, headers: with_body(answer, page, "text/html"))


@mutant("GEN-10")
def images_are_empty(house: House) -> None:
    """Images are files with nothing in them."""
    on_fetch(house, lambda answer, scope, headers: with_body(answer, b""))


@mutant("GEN-10")
def images_cut_short(house: House) -> None:
    """Images break off after their first thousand bytes."""
    on_fetch(house, lambda answer, scope, headers: with_body(answer, answer.body[:1000]))


@mutant("GEN-10")
def images_are_errors(house: House) -> None:
    """An image's address answers 200 with an error in JSON."""
    error = b'{"error": {"message": "gone", "code": "notFound"}}'
    on_fetch(house, lambda answer, scope, headers: with_body(answer, error, "application/json"))


@mutant("GEN-11")
def image_ids_alike(house: House) -> None:
    """The images of one generation all have one id."""
    on_images(house, lambda image, index: image.update(id="clx" + image["url"].split("/")[-2]))


@mutant("GEN-11")
def image_ids_repeat(house: House) -> None:
    """Image ids count from 1 in each generation."""
    on_images(house, lambda image, index: image.update(id=f"img_{index + 1}"))


@mutant("GEN-10")
def image_urls_alike(house: House) -> None:
    """The images of one generation all have the address of the first."""
    on_images(
        house,
        lambda image, index: image.update(url=image["url"].replace(f"/{index + 1}.png", "/1.png")),
    )


@mutant("RET-1")
def ids_repeat(house: House) -> None:
    """Generation ids repeat after three."""
    counted: dict[str, int] = {"made": 0}

    @around(house.hub.ids, "generation")
    def generation(original: Any) -> str:
        counted["made"] += 1
        return f"clx_generation_{counted['made'] % 3}"


@mutant("GEN-11")
def ids_by_prompt(house: House) -> None:
    """A generation's id is made from its prompt: the same prompt has the same id."""

    @around(house.hub, "_begin")
    def begin(
        original: Any, account: Any, request: Any, quote: Any, outcome: Any, id: str, now: int
    ) -> Any:
        own = "clx" + request.prompt.encode().hex()[:22]
        return original(account, request, quote, outcome, own, now)


@mutant("GEN-12", tolerable=True)
def wide_is_2k(house: House) -> None:
    """1536x1024 is billed as 2K."""
    tiers(house, {"1K": "1024x1024"})


@mutant("GEN-12", tolerable=True)
def large_square_is_4k(house: House) -> None:
    """2048x2048 is billed as 4K."""
    tiers(house, {"2K": "1920x1920"})


@mutant("GEN-12", tolerable=True)
def largest_is_2k(house: House) -> None:
    """3840x2160 is billed as 2K."""
    tiers(house, {"2K": "3840x2160"})


@mutant("MOD-4")
def auto_is_2k(house: House) -> None:
    """auto is billed as 2K."""
    house.schema("Size")["x-sizes"]["auto"] = "2048x2048"


def tiers(house: House, bounds: dict[str, str]) -> None:
    """Bill sizes by other bounds."""
    house.schema("Size")["x-sizes"]["tiers"].update(bounds)

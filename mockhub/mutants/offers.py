"""Conforming servers that offer other images, sizes, models and manners."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import orjson

from mockhub.mutants.asking import Asked
from mockhub.mutants.house import GET, MODELS, POST, House
from mockhub.mutants.pictures import on_fetch, on_images
from mockhub.mutants.polling import at_read
from mockhub.mutants.registry import variant
from mockhub.mutants.replies import with_content
from mockhub.spec.coerce import Invalid
from mockhub.spec.sizes import parse
from mockhub.web import wire
from mockhub.web.visit import Visit
from mockhub.world.generations import Generation

_STANDARD = ("1024x1024", "1536x1024", "1024x1536")


@variant("documented")
def images_elsewhere(house: House) -> None:
    """Images lie on another host, which cannot be reached from here."""
    on_images(
        house,
        lambda image, index: image.update(
            url=f"https://cdn.example.com/generations/user/{image['id']}.png"
        ),
    )


@variant()
def signed_images(house: House) -> None:
    """Image URLs carry a signature in their query."""
    query = "?X-Amz-Expires=3600&X-Amz-Signature=8c1f%2F..&response-content-type=image%2Fpng"
    on_images(house, lambda image, index: image.update(url=image["url"] + query))


@variant("documented")
def freshly_signed_images(house: House) -> None:
    """Image URLs are signed anew at each read."""
    signed = iter(range(1 << 30))
    on_images(
        house,
        lambda image, index: image.update(url=f"{image['url']}?expires=3600&sig={next(signed)}"),
    )


@variant()
def jpeg_images(house: House) -> None:
    """Images are JPEG."""
    house.hub.image_format = "jpeg"


@variant()
def webp_images(house: House) -> None:
    """Images are WebP."""
    house.hub.image_format = "webp"


@variant("documented")
def images_as_bytes(house: House) -> None:
    """Images are served as application/octet-stream."""

    def untyped(answer: wire.Answer, scope: Any, headers: dict[bytes, bytes]) -> wire.Answer:
        kept = tuple(one for one in answer.headers if one[0] != b"content-type")
        return answer._replace(headers=(*kept, (b"content-type", b"application/octet-stream")))

    on_fetch(house, untyped)


@variant("documented")
def images_redirected(house: House) -> None:
    """An image's URL leads on to another one."""

    def redirect(answer: wire.Answer, scope: Any, headers: dict[bytes, bytes]) -> wire.Answer:
        if b"direct" in scope["query_string"]:
            return answer
        where = (house.url + scope["path"] + "?direct=1").encode()
        return wire.Answer(302, b"", ((b"location", where), (b"content-length", b"0")))

    on_fetch(house, redirect)


# -- sizes ---------------------------------------------------------------------------------------


@variant("documented")
def standard_sizes_only(house: House) -> None:
    """Of sizes only the three standard ones and auto are offered."""

    @house.on_asked
    def refuse(asked: Asked) -> None:
        size = asked.values.get("size", "auto")
        if isinstance(size, str) and size not in (*_STANDARD, "auto"):
            raise Invalid("size: expected 1024x1024, 1536x1024, 1024x1536 or auto")


@variant("documented")
def sizes_snapped(house: House) -> None:
    """A size that is not offered is taken for the nearest that is, of about the same ratio."""
    rules = house.law.catalog.sizes

    def snapped(side: int, scale: float) -> int:
        return max(rules.multiple, int(side / scale) // rules.multiple * rules.multiple)

    @house.on_asked
    def snap(asked: Asked) -> None:
        with suppress(ValueError, KeyError, TypeError):
            size = parse(asked.values["size"])
            scale = max(1.0, max(size) / rules.longest, (size.pixels / rules.largest.pixels) ** 0.5)
            asked.values["size"] = f"{snapped(size.width, scale)}x{snapped(size.height, scale)}"


@variant()
def auto_resolved(house: House) -> None:
    """The ratio of size auto is the one that was chosen."""
    house.on_generation(
        lambda content, visit: (
            content.update(aspect_ratio="1:1") if content.get("aspect_ratio") == "auto" else None
        )
    )


# -- what else there is --------------------------------------------------------------------------


def _listed(id: str, name: str, tiers: list[str], references: int) -> dict[str, Any]:
    return {
        "id": id,
        "object": "model",
        "name": name,
        "provider": "gemini",
        "supported_aspect_ratios": ["auto", "1:1", "16:9"],
        "supported_qualities": tiers,
        "default_options": {"aspect_ratio": "1:1", "quality": tiers[0]},
        "reference_image_limit": references,
        "credits_per_image": {tier: 4 + at for at, tier in enumerate(tiers)},
    }


@variant()
def more_models(house: House) -> None:
    """There are other models, which stand before ours in the list."""
    listing = house.document["components"]["examples"]["Models"]["value"]["data"]
    listing.insert(0, _listed("nanobananapro", "Nano Banana Pro", ["1K", "2K", "4K"], 14))
    listing.insert(0, _listed("nanobanana", "Nano Banana", ["1K"], 3))


def relisted(house: House, change: Callable[[dict[str, Any]], Any]) -> None:
    """Describe each model otherwise."""
    house.on_content(MODELS, status=200)(
        lambda content, visit: {**content, "data": [change(one) for one in content["data"]]}
    )


@variant("documented")
def models_in_camel_case(house: House) -> None:
    """The model's fields have names in camel case, but for the one that the page names."""

    def camel(name: str) -> str:
        head, *rest = name.split("_")
        return name if name == "reference_image_limit" else head + "".join(map(str.title, rest))

    relisted(house, lambda model: {camel(name): value for name, value in model.items()})


@variant("documented")
def models_nested(house: House) -> None:
    """What a model can do, and what it costs, are objects within it."""

    def nest(model: dict[str, Any]) -> dict[str, Any]:
        prices = model["credits_per_image"]
        return {
            "id": model["id"],
            "title": model["name"],
            "provider": {"id": model["provider"]},
            "reference_image_limit": model["reference_image_limit"],
            "capabilities": {
                "ratios": [{"value": one} for one in model["supported_aspect_ratios"]],
                "qualities": model["supported_qualities"],
                "defaults": ["auto", "1K"],
            },
            "pricing": [{"quality": tier, "credits": unit} for tier, unit in prices.items()],
        }

    relisted(house, nest)


@variant()
def other_methods_not_found(house: House) -> None:
    """A method that a path does not have answers 404."""
    house.document["x-unrouted"]["method"]["status"] = "404"


@variant("documented")
def key_before_path(house: House) -> None:
    """Without a key, an unknown path answers 401."""

    @house.on_answer(status=404)
    def rewrite(answer: wire.Answer, visit: Visit) -> wire.Answer:
        known = visit.digest in house.hub.keys
        return answer if known else wire.refusal(house.error("missingApiKey"))


@variant()
def other_schemes_are_missing(house: House) -> None:
    """An Authorization header of another scheme is answered as a missing key."""

    @house.on_content(code="invalidApiKey")
    def rewrite(content: Any, visit: Visit) -> None:
        if visit.digest is None:
            content["error"]["code"] = "missingApiKey"


@variant()
def failures_named(house: House) -> None:
    """The error of a failed generation names its id, which reads back as failed."""

    @house.on_content(POST, code="generationFailed")
    def rewrite(content: Any, visit: Visit) -> None:
        content["error"]["generation_id"] = visit.generation


@variant()
def failures_forgotten(house: House) -> None:
    """A synchronous generation that failed leaves nothing behind."""

    @house.on_answer(POST, code="generationFailed")
    def rewrite(answer: wire.Answer, visit: Visit) -> wire.Answer:
        house.hub.generations.pop(visit.generation or "", None)
        return answer


@variant()
def talkative_logs(house: House) -> None:
    """Logs keep poll_url and what was requested, and tell the balance."""

    @house.on_generation
    def rewrite(content: Any, visit: Visit) -> None:
        made = house.hub.generations.get(str(content.get("id")))
        if made and visit.account:
            content.setdefault("poll_url", house.pipeline.links(house.hub.name).poll(made))
            content["usage"].setdefault("credits_requested", made.credits_requested)
            content.setdefault("balance", wire.balance(visit.account.read()))
            content.setdefault("created_at", wire.timestamp(made.created_at))
            content.setdefault("error", None)


@variant("documented")
def images_while_processing(house: House) -> None:
    """While a task is processing, its first image is shown already."""

    def show(content: Any, made: Generation, reads: int) -> None:
        if content["status"] == "processing" and not made.outcome.fail:
            url = house.pipeline.links(house.hub.name).image(made, 0, "png")
            id, at = house.hub.ids.image(made.id, 0), content["created_at"]
            content["images"] = [{"id": id, "object": "image", "url": url, "created_at": at}]

    at_read(house, show)


@variant()
def polled_by_name(house: House) -> None:
    """poll_url has the name of the host, not its number."""
    house.on_generation(
        lambda content, visit: (
            content.update(poll_url=content["poll_url"].replace("127.0.0.1", "localhost"))
            if content.get("poll_url")
            else None
        )
    )


@variant("documented")
def failed_images_missing(house: House) -> None:
    """A failed task has no usage and no images in its log."""

    @house.on_answer(GET, status=200)
    def rewrite(answer: wire.Answer, visit: Visit) -> wire.Answer:
        content = orjson.loads(answer.body)
        if content.get("status") == "failed":
            del content["usage"], content["images"]
        return with_content(answer, content)

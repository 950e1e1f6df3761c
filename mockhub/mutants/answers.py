"""Defects of the shape of answers: fields that are missing, misnamed, or of another type."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mockhub.mutants.house import GET, POST, House
from mockhub.mutants.registry import Level, mutant
from mockhub.spec.sizes import Size
from mockhub.web.visit import Visit

Change = Callable[[Any], object]


def answering(
    name: str,
    clause: str,
    says: str,
    change: Change,
    *,
    status: int | None = 200,
    level: Level | None = None,
    operations: tuple[str, ...] = (POST,),
) -> None:
    """Register a mutant that changes the content of generations' answers."""

    def put(house: House) -> None:
        @house.on_content(*operations, status=status)
        def rewrite(content: Any, visit: Visit) -> None:
            change(content)

    mutant(clause, level=level, name=name, says=says)(put)


def _without(name: str) -> Change:
    return lambda content: content.pop(name)


def _images_without(name: str) -> Change:
    return lambda content: [image.pop(name) for image in content["images"]]


_EVERYWHERE = ("object", "id", "status", "model", "aspect_ratio", "quality", "images", "usage")

for _name in (*_EVERYWHERE, "balance"):
    answering(
        f"answer-without-{_name}".replace("_", "-"),
        "GEN-2",
        f"A finished generation's answer has no {_name}.",
        _without(_name),
    )
for _name in (*_EVERYWHERE, "created_at"):
    answering(
        f"task-without-{_name}".replace("_", "-"),
        "ASY-3",
        f"A queued task's answer has no {_name}.",
        _without(_name),
        status=202,
    )
for _name in ("id", "object", "url", "created_at"):
    answering(
        f"image-without-{_name}".replace("_", "-"),
        "GEN-3",
        f"Images have no {_name}.",
        _images_without(_name),
        operations=(POST, GET),
    )

answering(
    "object-renamed",
    "GEN-2",
    "The answer's object is `generation`.",
    lambda content: content.update(object="generation"),
    status=None,
    operations=(POST, GET),
)
answering(
    "id-as-number",
    "GEN-2",
    "The answer's id is a number, and reads nothing back.",
    lambda content: content.update(id=int(content["id"][-8:], 36)),
    status=200,
)
answering(
    "model-of-the-provider",
    "GEN-2",
    "The answer names the model with its provider before it.",
    lambda content: content.update(model="openai/gpt-image-2"),
)
answering(
    "model-renamed",
    "GEN-2",
    "The answer names the model by its title.",
    lambda content: content.update(model="GPT IMAGE 2"),
)
answering(
    "usage-as-number",
    "GEN-6",
    "usage is the number of credits itself.",
    lambda content: content.update(usage=content["usage"]["credits"]),
)
answering(
    "usage-as-text",
    "GEN-6",
    "usage.credits is a string of digits.",
    lambda content: content["usage"].update(credits=str(content["usage"]["credits"])),
)
answering(
    "usage-per-image",
    "GEN-6",
    "usage.credits is the price of one image, however many there are.",
    lambda content: content["usage"].update(
        credits=content["usage"]["credits"] // max(1, len(content["images"]))
    ),
)
answering(
    "usage-zero",
    "GEN-6",
    "usage.credits is 0.",
    lambda content: content["usage"].update(credits=0),
)
answering(
    "usage-in-tokens",
    "GEN-6",
    "usage counts tokens, not credits.",
    lambda content: content.update(usage={"total_tokens": 4160}),
)
answering(
    "usage-negative",
    "GEN-6",
    "usage.credits is below zero, as the ledger's entry is.",
    lambda content: content["usage"].update(credits=-content["usage"]["credits"]),
)
answering(
    "images-as-urls",
    "GEN-3",
    "Images are bare addresses.",
    lambda content: content.update(images=[image["url"] for image in content["images"]]),
)
answering(
    "images-by-index",
    "GEN-3",
    "Images are an object, numbered, not a list.",
    lambda content: content.update(
        images={str(index): image for index, image in enumerate(content["images"])}
    ),
)
answering(
    "images-called-data",
    "GEN-3",
    "Images are called `data`, as upstream.",
    lambda content: content.update(data=content.pop("images")),
)
answering(
    "image-object-renamed",
    "GEN-3",
    "An image's object is `file`.",
    lambda content: [image.update(object="file") for image in content["images"]],
)
answering(
    "image-inline",
    "GEN-3",
    "Images come as b64_json instead of an address.",
    lambda content: [
        image.update(b64_json="iVBORw0KGgo=") or image.pop("url") for image in content["images"]
    ],
)
answering(
    "an-image-too-many",
    "GEN-3",
    "There is an image more than was asked for.",
    lambda content: content["images"].append({**content["images"][-1], "id": "clx_one_more"}),
)
answering(
    "an-image-too-few",
    "GEN-3",
    "Of several images the last is missing, and charged.",
    lambda content: content["images"].pop() if len(content["images"]) > 1 else None,
)
answering(
    "two-images-at-most",
    "GEN-3",
    "There are never more than two images, at the price of all.",
    lambda content: content.update(images=content["images"][:2]),
)

# -- quality and ratio ---------------------------------------------------------------------------


def by_request(
    name: str,
    clause: str,
    says: str,
    change: Callable[[Any, Any], object],
    level: Level | None = None,
) -> None:
    """Register a mutant that changes generations by what was asked for."""

    def put(house: House) -> None:
        @house.on_generation
        def rewrite(content: Any, visit: Visit) -> None:
            if made := house.hub.generations.get(str(content.get("id"))):
                change(content, made)

    mutant(clause, level=level, name=name, says=says)(put)


by_request(
    "quality-echoed",
    "GEN-4",
    "The answer's quality is the request's.",
    lambda content, made: content.update(quality=made.request.quality),
)
by_request(
    "tier-in-lower-case",
    "GEN-4",
    "The answer's quality is 1k, 2k or 4k.",
    lambda content, made: content.update(quality=content["quality"].lower()),
)
by_request(
    "tier-in-pixels",
    "GEN-4",
    "The answer's quality is the size in pixels.",
    lambda content, made: content.update(quality=str(made.quote.size)),
)
by_request(
    "high-is-4k",
    "GEN-4",
    "Quality high is answered as 4K and charged as 1K.",
    lambda content, made: made.request.quality == "high" and content.update(quality="4K"),
)
by_request(
    "tier-always-1k",
    "GEN-6",
    "2K and 4K images are answered as 1K, at their own prices.",
    lambda content, made: content.update(quality="1K"),
)
by_request(
    "ratio-always-square",
    "GEN-5",
    "The answer's ratio is 1:1, whatever the size.",
    lambda content, made: content.update(aspect_ratio="1:1"),
)
by_request(
    "ratio-always-auto",
    "GEN-5",
    "The answer's ratio is auto, whatever the size.",
    lambda content, made: content.update(aspect_ratio="auto"),
)
by_request(
    "ratio-turned",
    "GEN-5",
    "The answer's ratio is height to width.",
    lambda content, made: content.update(
        aspect_ratio=":".join(reversed(content["aspect_ratio"].split(":")))
    ),
)
by_request(
    "ratio-in-pixels",
    "GEN-5",
    "The answer's ratio is not reduced: 1024:1024.",
    lambda content, made: content.update(aspect_ratio=str(made.quote.size).replace("x", ":")),
)
by_request(
    "ratio-as-number",
    "GEN-5",
    "The answer's ratio is a number.",
    lambda content, made: content.update(aspect_ratio=float(made.quote.size.ratio)),
)
by_request(
    "size-in-place-of-ratio",
    "GEN-5",
    "The answer's ratio is the size.",
    lambda content, made: content.update(aspect_ratio=made.request.size),
)


def _lowest(size: Size) -> str:
    return f"{size.ratio.numerator}:{size.ratio.denominator}"


by_request(
    "portrait-as-landscape",
    "GEN-5",
    "A portrait's ratio is answered as that of a landscape.",
    lambda content, made: (
        content.update(aspect_ratio="3:2") if content["aspect_ratio"] == "2:3" else None
    ),
)
by_request(
    "task-as-1k",
    "GEN-6",
    "A task of 2K is answered as 1K, at the price of 2K.",
    lambda content, made: made.request.run_async and content.update(quality="1K"),
)
by_request(
    "ratio-reduced-by-gcd",
    "GEN-5",
    "A ratio is reduced to its lowest terms, listed or not: 21:9 is 7:3.",
    lambda content, made: content.update(aspect_ratio=_lowest(made.quote.size)),
    "inferred",
)

"""Defects of the shape of answers: fields that are missing, misnamed, or of another type."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mockhub.mutants.patched_server import PatchedServer
from mockhub.mutants.registry import Level, mutant
from mockhub.spec.operations import OperationId
from mockhub.spec.sizes import Size
from mockhub.web.context import RequestContext

Change = Callable[[Any], object]


def mutate_response(
    name: str,
    clause: str,
    description: str,
    change: Change,
    *,
    status: int | None = 200,
    level: Level | None = None,
    operations: tuple[str, ...] = (OperationId.CREATE_GENERATION,),
) -> None:
    """Register a mutant that changes the content of generations' answers."""

    def apply(server: PatchedServer) -> None:
        @server.mutate_json(*operations, status=status)
        def rewrite(content: Any, context: RequestContext) -> None:
            change(content)

    mutant(clause, level=level, name=name, description=description)(apply)


def _without(name: str) -> Change:
    return lambda content: content.pop(name)


def _images_without(name: str) -> Change:
    return lambda content: [image.pop(name) for image in content["images"]]


_COMMON_FIELDS = ("object", "id", "status", "model", "aspect_ratio", "quality", "images", "usage")

for _name in (*_COMMON_FIELDS, "balance"):
    mutate_response(
        f"response-without-{_name}".replace("_", "-"),
        "GEN-2",
        f"A finished generation's answer has no {_name}.",
        _without(_name),
    )
for _name in (*_COMMON_FIELDS, "created_at"):
    mutate_response(
        f"task-without-{_name}".replace("_", "-"),
        "ASY-3",
        f"A queued task's answer has no {_name}.",
        _without(_name),
        status=202,
    )
for _name in ("id", "object", "url", "created_at"):
    mutate_response(
        f"image-without-{_name}".replace("_", "-"),
        "GEN-3",
        f"Images have no {_name}.",
        _images_without(_name),
        operations=(OperationId.CREATE_GENERATION, OperationId.GET_GENERATION),
    )

mutate_response(
    "object-renamed",
    "GEN-2",
    "The answer's object is `generation`.",
    lambda content: content.update(object="generation"),
    status=None,
    operations=(OperationId.CREATE_GENERATION, OperationId.GET_GENERATION),
)
mutate_response(
    "id-as-number",
    "GEN-2",
    "The answer's id is a number, and reads nothing back.",
    lambda content: content.update(id=int(content["id"][-8:], 36)),
    status=200,
)
mutate_response(
    "model-with-provider-prefix",
    "GEN-2",
    "The answer names the model with its provider before it.",
    lambda content: content.update(model="openai/gpt-image-2"),
)
mutate_response(
    "model-as-title",
    "GEN-2",
    "The answer names the model by its title.",
    lambda content: content.update(model="GPT IMAGE 2"),
)
mutate_response(
    "usage-as-number",
    "GEN-6",
    "usage is the number of credits itself.",
    lambda content: content.update(usage=content["usage"]["credits"]),
)
mutate_response(
    "usage-as-string",
    "GEN-6",
    "usage.credits is a string of digits.",
    lambda content: content["usage"].update(credits=str(content["usage"]["credits"])),
)
mutate_response(
    "usage-per-image",
    "GEN-6",
    "usage.credits is the price of one image, however many there are.",
    lambda content: content["usage"].update(
        credits=content["usage"]["credits"] // max(1, len(content["images"]))
    ),
)
mutate_response(
    "usage-zero",
    "GEN-6",
    "usage.credits is 0.",
    lambda content: content["usage"].update(credits=0),
)
mutate_response(
    "usage-in-tokens",
    "GEN-6",
    "usage counts tokens, not credits.",
    lambda content: content.update(usage={"total_tokens": 4160}),
)
mutate_response(
    "usage-negative",
    "GEN-6",
    "usage.credits is below zero, as the ledger's entry is.",
    lambda content: content["usage"].update(credits=-content["usage"]["credits"]),
)
mutate_response(
    "images-as-urls",
    "GEN-3",
    "Images are bare addresses.",
    lambda content: content.update(images=[image["url"] for image in content["images"]]),
)
mutate_response(
    "images-as-object",
    "GEN-3",
    "Images are an object, numbered, not a list.",
    lambda content: content.update(
        images={str(index): image for index, image in enumerate(content["images"])}
    ),
)
mutate_response(
    "images-named-data",
    "GEN-3",
    "Images are called `data`, as upstream.",
    lambda content: content.update(data=content.pop("images")),
)
mutate_response(
    "image-object-renamed",
    "GEN-3",
    "An image's object is `file`.",
    lambda content: [image.update(object="file") for image in content["images"]],
)
mutate_response(
    "image-as-base64",
    "GEN-3",
    "Images come as b64_json instead of an address.",
    lambda content: [
        image.update(b64_json="iVBORw0KGgo=") or image.pop("url") for image in content["images"]
    ],
)
mutate_response(
    "extra-image",
    "GEN-3",
    "There is an image more than was asked for.",
    lambda content: content["images"].append({**content["images"][-1], "id": "clx_one_more"}),
)
mutate_response(
    "missing-image",
    "GEN-3",
    "Of several images the last is missing, and charged.",
    lambda content: content["images"].pop() if len(content["images"]) > 1 else None,
)
mutate_response(
    "at-most-two-images",
    "GEN-3",
    "There are never more than two images, at the price of all.",
    lambda content: content.update(images=content["images"][:2]),
)

# -- quality and ratio ---------------------------------------------------------------------------


def mutate_generation(
    name: str,
    clause: str,
    description: str,
    change: Callable[[Any, Any], object],
    level: Level | None = None,
) -> None:
    """Register a mutant that changes generations by what was asked for."""

    def apply(server: PatchedServer) -> None:
        @server.mutate_generation
        def rewrite(content: Any, context: RequestContext) -> None:
            if generation := server.hub.generations.get(str(content.get("id"))):
                change(content, generation)

    mutant(clause, level=level, name=name, description=description)(apply)


mutate_generation(
    "quality-echoed",
    "GEN-4",
    "The answer's quality is the request's.",
    lambda content, generation: content.update(quality=generation.request.quality),
)
mutate_generation(
    "tier-in-lower-case",
    "GEN-4",
    "The answer's quality is 1k, 2k or 4k.",
    lambda content, generation: content.update(quality=content["quality"].lower()),
)
mutate_generation(
    "tier-in-pixels",
    "GEN-4",
    "The answer's quality is the size in pixels.",
    lambda content, generation: content.update(quality=str(generation.quote.size)),
)
mutate_generation(
    "high-quality-reported-as-4k",
    "GEN-4",
    "Quality high is answered as 4K and charged as 1K.",
    lambda content, generation: (
        generation.request.quality == "high" and content.update(quality="4K")
    ),
)
mutate_generation(
    "tier-always-1k",
    "GEN-6",
    "2K and 4K images are answered as 1K, at their own prices.",
    lambda content, generation: content.update(quality="1K"),
)
mutate_generation(
    "ratio-always-square",
    "GEN-5",
    "The answer's ratio is 1:1, whatever the size.",
    lambda content, generation: content.update(aspect_ratio="1:1"),
)
mutate_generation(
    "ratio-always-auto",
    "GEN-5",
    "The answer's ratio is auto, whatever the size.",
    lambda content, generation: content.update(aspect_ratio="auto"),
)
mutate_generation(
    "ratio-inverted",
    "GEN-5",
    "The answer's ratio is height to width.",
    lambda content, generation: content.update(
        aspect_ratio=":".join(reversed(content["aspect_ratio"].split(":")))
    ),
)
mutate_generation(
    "ratio-in-pixels",
    "GEN-5",
    "The answer's ratio is not reduced: 1024:1024.",
    lambda content, generation: content.update(
        aspect_ratio=str(generation.quote.size).replace("x", ":")
    ),
)
mutate_generation(
    "ratio-as-number",
    "GEN-5",
    "The answer's ratio is a number.",
    lambda content, generation: content.update(aspect_ratio=float(generation.quote.size.ratio)),
)
mutate_generation(
    "size-in-place-of-ratio",
    "GEN-5",
    "The answer's ratio is the size.",
    lambda content, generation: content.update(aspect_ratio=generation.request.size),
)


def _lowest_terms(size: Size) -> str:
    return f"{size.ratio.numerator}:{size.ratio.denominator}"


mutate_generation(
    "portrait-as-landscape",
    "GEN-5",
    "A portrait's ratio is answered as that of a landscape.",
    lambda content, generation: (
        content.update(aspect_ratio="3:2") if content["aspect_ratio"] == "2:3" else None
    ),
)
mutate_generation(
    "task-reported-as-1k",
    "GEN-6",
    "A task of 2K is answered as 1K, at the price of 2K.",
    lambda content, generation: generation.request.run_async and content.update(quality="1K"),
)
mutate_generation(
    "ratio-reduced-by-gcd",
    "GEN-5",
    "A ratio is reduced to its lowest terms, listed or not: 21:9 is 7:3.",
    lambda content, generation: content.update(aspect_ratio=_lowest_terms(generation.quote.size)),
    "inferred",
)

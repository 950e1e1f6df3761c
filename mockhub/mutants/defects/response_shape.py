"""Mutants of the response of a finished generation (GEN-2 to GEN-7, GEN-12)."""

from __future__ import annotations

from collections.abc import Callable

from mockhub.domain.generations import Generation
from mockhub.mutants.hooks import (
    at_every,
    hook,
    mutate_generation,
    mutate_images,
    mutate_result,
    on_quote,
    remove,
    update,
)
from mockhub.mutants.patched_server import PatchedServer
from mockhub.mutants.registry import mutant, mutant_table
from mockhub.mutants.responses import Json
from mockhub.spec.catalog import Quote
from mockhub.spec.generation_request import GenerationRequest
from mockhub.spec.operations import OperationId


@hook
def replace_usage(server: PatchedServer, change: Callable[[int, Generation], object]) -> None:
    @server.mutate_generation(OperationId.CREATE_GENERATION, status=200)
    def mutate(content: Json, generation: Generation) -> None:
        content["usage"]["credits"] = change(content["usage"]["credits"], generation)


@hook
def replace_balance(server: PatchedServer, change: Callable[[int, Generation], object]) -> None:
    @server.mutate_generation(OperationId.CREATE_GENERATION, status=200)
    def mutate(content: Json, generation: Generation) -> None:
        content["balance"]["credits"] = change(content["balance"]["credits"], generation)


@hook
def replace_ratio(server: PatchedServer, ratio: Callable[[str, Generation], object]) -> None:
    @server.mutate_generation()
    def mutate(content: Json, generation: Generation) -> None:
        content["aspect_ratio"] = ratio(content["aspect_ratio"], generation)


# -- fields --------------------------------------------------------------------------------------

for _name in (
    "object",
    "id",
    "status",
    "model",
    "aspect_ratio",
    "quality",
    "images",
    "usage",
    "balance",
):
    mutant(
        "GEN-2",
        f"The response of a finished generation has no {_name}.",
        name=f"response_without_{_name}",
    )(mutate_result(remove(_name)))

mutant_table("GEN-2", mutate_generation)(
    object_renamed=("The object of generations is `generation`.", update(object="generation")),
)
mutant_table("GEN-2", mutate_result)(
    id_as_number=(
        "The id of a generation is a number, by which it cannot be read.",
        lambda content, generation: content.update(id=int(content["id"][-8:], 36)),
    ),
    model_with_provider_prefix=(
        "The model has the name of its provider as a prefix.",
        update(model="openai/gpt-image-2"),
    ),
    model_as_title=("The model is its title instead of its id.", update(model="GPT IMAGE 2")),
)
mutant_table("GEN-2", at_every(4, mutate_result))(
    every_fourth_without_balance=("Every fourth response has no balance.", remove("balance")),
)

# -- images --------------------------------------------------------------------------------------

for _name in ("id", "object", "url", "created_at"):
    mutant("GEN-3", f"Images have no {_name}.", name=f"image_without_{_name}")(
        mutate_images(remove(_name))
    )

mutant_table("GEN-3", mutate_result)(
    images_as_urls=(
        "Images are strings with their URLs.",
        lambda content, generation: content.update(
            images=[one["url"] for one in content["images"]]
        ),
    ),
    images_as_object=(
        "Images are an object with numbers as names instead of a list.",
        lambda content, generation: content.update(
            images={str(index): image for index, image in enumerate(content["images"])}
        ),
    ),
    images_named_data=(
        "The images are in the field `data`.",
        lambda content, generation: content.update(data=content.pop("images")),
    ),
    image_object_renamed=(
        "The object of images is `file`.",
        lambda content, generation: [image.update(object="file") for image in content["images"]],
    ),
    image_as_base64=(
        "Images have b64_json instead of a URL.",
        lambda content, generation: [
            image.update(b64_json="iVBORw0KGgo=") or image.pop("url") for image in content["images"]
        ],
    ),
    extra_image=(
        "There is one image more than requested.",
        lambda content, generation: content["images"].append(
            {**content["images"][-1], "id": "clx_one_more"}
        ),
    ),
    missing_image=(
        "The last of several images is missing but charged.",
        lambda content, generation: content["images"].pop() if len(content["images"]) > 1 else None,
    ),
    at_most_two_images=(
        "There are at most two images, at the price of all.",
        lambda content, generation: content.update(images=content["images"][:2]),
    ),
)

# -- quality and ratio ---------------------------------------------------------------------------

mutant_table("GEN-4", mutate_generation)(
    quality_echoed=(
        "The quality of the response is the quality of the request.",
        lambda content, generation: content.update(quality=generation.request.quality),
    ),
    tier_in_lower_case=(
        "The quality of the response is 1k, 2k or 4k.",
        lambda content, generation: content.update(quality=content["quality"].lower()),
    ),
    tier_in_pixels=(
        "The quality of the response is the size in pixels.",
        lambda content, generation: content.update(quality=str(generation.quote.size)),
    ),
    high_quality_reported_as_4k=(
        "Quality high is reported as 4K and charged as 1K.",
        lambda content, generation: content.update(
            quality="4K" if generation.request.quality == "high" else content["quality"]
        ),
    ),
)
mutant_table("GEN-5", replace_ratio)(
    ratio_always_square=("The aspect ratio is always 1:1.", lambda ratio, generation: "1:1"),
    ratio_always_auto=("The aspect ratio is always auto.", lambda ratio, generation: "auto"),
    ratio_inverted=(
        "The aspect ratio is height to width.",
        lambda ratio, generation: ":".join(reversed(ratio.split(":"))),
    ),
    ratio_in_pixels=(
        "The aspect ratio is not reduced: 1024:1024.",
        lambda ratio, generation: str(generation.quote.size).replace("x", ":"),
    ),
    ratio_as_number=(
        "The aspect ratio is a number.",
        lambda ratio, generation: float(generation.quote.size.ratio),
    ),
    size_in_place_of_ratio=(
        "The aspect ratio is the requested size.",
        lambda ratio, generation: generation.request.size,
    ),
    portrait_as_landscape=(
        "The aspect ratio of a portrait is that of a landscape.",
        lambda ratio, generation: "3:2" if ratio == "2:3" else ratio,
    ),
)
mutant_table("GEN-5", replace_ratio, level="inferred")(
    ratio_reduced_by_gcd=(
        "The aspect ratio is in lowest terms, even if that is not a listed one: 21:9 is 7:3.",
        lambda ratio, generation: ":".join(
            map(str, generation.quote.size.ratio.as_integer_ratio())
        ),
    ),
)


@mutant("GEN-5", "The aspect ratio is that of the previous generation.")
def ratio_of_previous_generation(server: PatchedServer) -> None:
    ratios: list[str] = []

    @server.mutate_generation(OperationId.CREATE_GENERATION, status=200)
    def mutate(content: Json, generation: Generation) -> None:
        ratios.append(content["aspect_ratio"])
        content["aspect_ratio"] = ratios[-2:][0]


# -- usage and price -----------------------------------------------------------------------------

mutant_table("GEN-6", replace_usage)(
    usage_as_string=("usage.credits is a string.", lambda credits, generation: str(credits)),
    usage_per_image=(
        "usage.credits is the price of one image, whatever n is.",
        lambda credits, generation: generation.quote.credits_per_image,
    ),
    usage_zero=("usage.credits is 0.", lambda credits, generation: 0),
    usage_negative=("usage.credits is negative.", lambda credits, generation: -credits),
)
mutant_table("GEN-6", mutate_result)(
    usage_as_number=(
        "usage is a number of credits instead of an object.",
        lambda content, generation: content.update(usage=content["usage"]["credits"]),
    ),
    usage_in_tokens=("usage has tokens, not credits.", update(usage={"total_tokens": 4160})),
)
mutant_table("GEN-6", mutate_generation)(
    tier_always_1k=("Every image is reported as 1K, at its price.", update(quality="1K")),
    task_reported_as_1k=(
        "A task of 2K is reported as 1K, at the price of 2K.",
        lambda content, generation: content.update(
            quality="1K" if generation.request.run_async else content["quality"]
        ),
    ),
)


@mutant("GEN-6", "usage.credits is the sum of all credits that the account has spent.")
def usage_accumulates(server: PatchedServer) -> None:
    spent: dict[str, int] = {}

    @server.mutate_generation(OperationId.CREATE_GENERATION, status=200)
    def mutate(content: Json, generation: Generation) -> None:
        total = spent.get(generation.account, 0) + content["usage"]["credits"]
        spent[generation.account] = content["usage"]["credits"] = total


@mutant("GEN-6", "A 1K image with quality high costs 12 credits instead of 8.")
def high_quality_costs_more(server: PatchedServer) -> None:
    high_price = server.model["credits_per_image"]["4K"]
    server.on_quote(
        lambda quote, request: (
            quote._replace(credits_per_image=high_price) if request.quality == "high" else quote
        )
    )


@mutant("GEN-6", "Images of 2K and 4K are reported as such, at the price of 1K.")
def all_tiers_same_price(server: PatchedServer) -> None:
    cheapest = server.model["credits_per_image"]["1K"]
    server.on_quote(lambda quote, request: quote._replace(credits_per_image=cheapest))


@mutant("GEN-4", "The quality of the request determines the tier: 1024x1024 at high is 4K.")
def quality_determines_tier(server: PatchedServer) -> None:
    tiers = {"low": "1K", "medium": "2K", "high": "4K"}
    prices = server.model["credits_per_image"]

    @server.on_quote
    def quote(quote: Quote, request: GenerationRequest) -> Quote:
        tier = tiers.get(request.quality, quote.tier)
        return quote._replace(tier=tier, credits_per_image=prices[tier])


mutant_table("GEN-6", on_quote)(
    low_quality_costs_less=(
        "A 1K image with quality low costs half the price of its tier.",
        lambda quote, request: quote._replace(
            credits_per_image=quote.credits_per_image // (2 if request.quality == "low" else 1)
        ),
    ),
    multiple_images_discounted=(
        "Each of several images costs one credit less, in the response and in the ledger.",
        lambda quote, request: quote._replace(
            credits_per_image=quote.credits_per_image - (request.n > 1)
        ),
    ),
)


@hook
def edit_tier_bounds(server: PatchedServer, bounds: dict[str, str]) -> None:
    server.schema("Size")["x-sizes"]["tiers"].update(bounds)


mutant_table("GEN-12", edit_tier_bounds, conforms_if_documented=True)(
    wide_size_billed_as_2k=("The size 1536x1024 is billed as 2K.", {"1K": "1024x1024"}),
    large_square_billed_as_4k=("The size 2048x2048 is billed as 4K.", {"2K": "1920x1920"}),
    largest_size_billed_as_2k=("The size 3840x2160 is billed as 2K.", {"2K": "3840x2160"}),
)

# -- balance -------------------------------------------------------------------------------------

mutant_table("GEN-7", replace_balance)(
    balance_before_charge=(
        "The balance of the response is the one before the charge.",
        lambda credits, generation: credits + generation.credits,
    ),
    balance_before_charge_with_references=(
        "With reference images, the balance of the response is the one before the charge.",
        lambda credits, generation: (
            credits + generation.credits if generation.request.references else credits
        ),
    ),
    balance_charged_twice=(
        "The price is deducted twice from the balance of the response, and once in the ledger.",
        lambda credits, generation: credits - generation.credits,
    ),
    balance_charged_for_one_image=(
        "The price of one image is deducted from the balance of the response, whatever n is.",
        lambda credits, generation: (
            credits + generation.credits - generation.quote.credits_per_image
        ),
    ),
    balance_credits_as_string=(
        "The credits of the balance of the response are a string.",
        lambda credits, generation: str(credits),
    ),
)
mutant_table("GEN-7", at_every(3, replace_balance))(
    every_third_balance_stale=(
        "The balance of every third response is the one before the charge.",
        lambda credits, generation: credits + generation.credits,
    ),
)
mutant_table("GEN-7", mutate_result)(
    balance_as_number=(
        "The balance of the response is a number instead of an object.",
        lambda content, generation: content.update(balance=content["balance"]["credits"]),
    ),
)


@mutant("GEN-7", "Every response has the balance of the first response of the account.")
def balance_of_first_response(server: PatchedServer) -> None:
    first: dict[str, object] = {}

    @server.mutate_generation(OperationId.CREATE_GENERATION, status=200)
    def mutate(content: Json, generation: Generation) -> None:
        content["balance"] = first.setdefault(generation.account, content["balance"])

"""Mutants of the response of a finished generation (GEN-2 to GEN-7, GEN-12)."""

from __future__ import annotations

import asyncio
from collections import Counter

from mockhub.mutants import hooks, responses
from mockhub.mutants.changes import (
    computed,
    constant,
    edit,
    only_if,
    remove,
    rename,
    times,
    update,
    within,
)
from mockhub.mutants.hook import Hook, at_every, replace_at, when
from mockhub.mutants.matching import (
    all_of,
    credits_per_image,
    has_count,
    has_high_quality,
    has_references,
    is_async,
    is_paid_by,
)
from mockhub.mutants.patched_server import PatchedServer
from mockhub.mutants.registry import Row, mutant, mutant_table
from mockhub.mutants.types import Account, Generation, GenerationRequest, Json, Response

replace_usage = replace_at(responses.mutate_result, "usage", "credits")
replace_balance = replace_at(responses.mutate_result, "balance", "credits")
replace_images = replace_at(responses.mutate_result, "images")
replace_quality = replace_at(responses.mutate_generation, "quality")
replace_ratio = replace_at(responses.mutate_generation, "aspect_ratio")


def is_large_and_complete(generation: Generation) -> bool:
    images = generation.request.n
    return generation.quote.tier != "1K" and images == generation.delivered and images in (3, 4)


def balance_before(credits: int, generation: Generation) -> int:
    return credits + generation.credits


for _field in (*responses.FIELDS, "balance"):
    mutant(
        "GEN-2",
        f"The response of a finished generation has no {_field}.",
        name=f"response_without_{_field}",
    )(responses.mutate_result(remove(_field)))

mutant_table("GEN-2", when(is_paid_by("low"), responses.mutate_result))(
    response_of_low_without_account_type=Row(
        "The response to an account with few credits has no account_type.",
        within("balance", remove("account_type")),
    )
)
mutant_table("GEN-2", responses.mutate_generation)(
    object_renamed=Row("The object of generations is `generation`.", update(object="generation"))
)
mutant_table("GEN-2", responses.mutate_result)(
    id_as_number=Row(
        "The id is a number, by which nothing is found.", edit("id", lambda id: int(id[-8:], 36))
    ),
    model_with_provider_prefix=Row(
        "The model has the name of its provider as a prefix.", update(model="openai/gpt-image-2")
    ),
    model_as_title=Row("The model is its title instead of its id.", update(model="GPT IMAGE 2")),
)
mutant_table("GEN-2", at_every(4, responses.mutate_result))(
    every_fourth_without_balance=Row("Every fourth response has no balance.", remove("balance"))
)
mutant_table("GEN-3", responses.mutate_images)(
    image_without_id=Row("Images have no id.", remove("id")),
    image_without_object=Row("Images have no object.", remove("object")),
    image_without_url=Row("Images have no url.", remove("url")),
    image_as_base64=Row("Images have b64_json instead of url.", rename("url", "b64_json")),
    image_without_created_at=Row("Images have no created_at.", remove("created_at")),
)
mutant_table("GEN-3", replace_images)(
    images_as_urls=Row(
        "Images are strings with their URLs.", lambda images, _: [image["url"] for image in images]
    ),
    images_as_object=Row(
        "Images are an object with numbers as names instead of a list.",
        lambda images, _: {str(index): image for index, image in enumerate(images)},
    ),
    image_object_renamed=Row(
        "The object of images is `file`.",
        lambda images, _: [{**image, "object": "file"} for image in images],
    ),
    extra_image=Row(
        "There is one image more than requested.",
        lambda images, _: [*images, {**images[-1], "id": "clx_one_more"}],
    ),
    missing_image=Row(
        "The last of several images is charged and missing.",
        lambda images, _: images[:-1] or images,
    ),
    at_most_two_images=Row("At most two images come, all charged.", lambda images, _: images[:2]),
)
mutant_table("GEN-3", replace_at(responses.mutate_generation, "images"))(
    last_of_several_large_images_missing=Row(
        "The last of three or four images at 2K or 4K is charged and missing.",
        only_if(is_large_and_complete, lambda images, _: images[:-1]),
    )
)


@mutant("GEN-3", "A prompt and size that a user repeats return the images of the first request.")
def images_cached_without_count(server: PatchedServer) -> None:
    images: dict[object, object] = {}

    @responses.mutate_result.on(server)
    def repeat(content: Json, generation: Generation) -> None:
        key = (generation.account, generation.request.prompt, generation.request.size)
        if (first := images.setdefault(key, content["images"])) and generation.request.n > 1:
            content["images"] = first


mutant_table("GEN-3", responses.mutate_result)(
    images_named_data=Row("The images are in the field `data`.", rename("images", "data"))
)
mutant_table("GEN-4", replace_quality)(
    quality_echoed=Row(
        "The quality is as requested.", lambda tier, generation: generation.request.quality
    ),
    tier_in_lower_case=Row("The quality is 1k, 2k or 4k.", lambda tier, _: tier.lower()),
    tier_in_pixels=Row(
        "The quality is in pixels.", lambda tier, generation: str(generation.quote.size)
    ),
    high_quality_reported_as_4k=Row(
        "Quality high is reported as 4K and charged as 1K.",
        only_if(has_high_quality, constant("4K")),
    ),
)
mutant_table("GEN-5", replace_ratio)(
    ratio_always_square=Row("The aspect ratio is always 1:1.", constant("1:1")),
    ratio_5_to_4_as_4_to_3=Row("5:4 is 4:3.", lambda ratio, _: ratio.replace("5:4", "4:3")),
    ratio_always_auto=Row("The aspect ratio is always auto.", constant("auto")),
    ratio_inverted=Row(
        "The aspect ratio is height to width.", lambda ratio, _: ":".join(ratio.split(":")[::-1])
    ),
    ratio_in_pixels=Row(
        "The aspect ratio is not reduced: 1024:1024.",
        lambda ratio, generation: str(generation.quote.size).replace("x", ":"),
    ),
    ratio_as_number=Row(
        "The aspect ratio is a number.", lambda _, generation: float(generation.quote.size.ratio)
    ),
    size_in_place_of_ratio=Row(
        "The aspect ratio is the requested size.", lambda _, generation: generation.request.size
    ),
    portrait_as_landscape=Row(
        "The aspect ratio of a portrait is that of a landscape.",
        lambda ratio, _: "3:2" if ratio == "2:3" else ratio,
    ),
    ratio_of_tasks_of_two_inverted=Row(
        "The aspect ratio of a task of two images is height to width.",
        only_if(all_of(is_async, has_count(2)), lambda ratio, _: ":".join(ratio.split(":")[::-1])),
    ),
)
mutant_table("GEN-5", replace_ratio, conforms_if_documented=True)(
    ratio_reduced_by_gcd=Row(
        "The aspect ratio is in lowest terms, even if that is not a listed one: 21:9 is 7:3.",
        lambda _, generation: "{}:{}".format(*generation.quote.size.ratio.as_integer_ratio()),
        level="inferred",
    )
)


@mutant("GEN-5", "The aspect ratio is that of the previous generation.")
def ratio_of_previous_generation(server: PatchedServer) -> None:
    ratios: list[str] = []

    @responses.mutate_result.on(server)
    def mutate(content: Json, generation: Generation) -> None:
        ratios.append(content["aspect_ratio"])
        content["aspect_ratio"] = ratios[-2:][0]


mutant_table("GEN-6", replace_usage)(
    usage_as_string=Row("usage.credits is a string.", lambda credits, _: str(credits)),
    usage_per_image=Row("usage.credits is the price of one image.", computed(credits_per_image)),
    usage_zero=Row("usage.credits is 0.", constant(0)),
    usage_negative=Row("usage.credits is negative.", times(-1)),
    usage_with_binary_fraction=Row(
        "usage.credits is a sum of binary fractions: 24.000000000000004.",
        lambda credits, _: credits + 4e-15,
    ),
)
mutant_table("GEN-6", responses.mutate_result)(
    usage_as_number=Row(
        "usage is a number, not an object.", edit("usage", lambda usage: usage["credits"])
    ),
    usage_in_tokens=Row("usage has tokens, not credits.", update(usage={"total_tokens": 4160})),
)
mutant_table("GEN-6", responses.mutate_generation)(
    tier_always_1k=Row("Every image is reported as 1K, at its price.", update(quality="1K")),
    task_reported_as_1k=Row(
        "A 2K task is reported as 1K, at the price of 2K.", only_if(is_async, update(quality="1K"))
    ),
)


@mutant("GEN-6", "usage.credits is the sum of all credits that the account has spent.")
def usage_accumulates(server: PatchedServer) -> None:
    spent: Counter[str] = Counter()

    @responses.mutate_result.on(server)
    def mutate(content: Json, generation: Generation) -> None:
        spent[generation.account] += content["usage"]["credits"]
        content["usage"]["credits"] = spent[generation.account]


@mutant("GEN-6", "A 1K image with quality high costs 12 credits instead of 8.")
@hooks.replace_price.with_server
def high_quality_costs_more(server: PatchedServer, price: int, request: GenerationRequest) -> int:
    return server.prices["4K"] if request.quality == "high" else price


@mutant("GEN-6", "Images of 2K and 4K are reported as such, at the price of 1K.")
def all_tiers_same_price(server: PatchedServer) -> None:
    hooks.replace_price(lambda price, request: server.prices["1K"])(server)


@mutant("GEN-4", "The quality of the request determines the tier: 1024x1024 at high is 4K.")
def quality_determines_tier(server: PatchedServer) -> None:
    tiers = {"low": "1K", "medium": "2K", "high": "4K"}

    @hooks.on_start.on(server)
    def change(start: hooks.Start) -> hooks.Start:
        tier = tiers.get(start.request.quality, start.quote.tier)
        quote = start.quote._replace(tier=tier, credits_per_image=server.prices[tier])
        return start._replace(quote=quote)


mutant_table("GEN-6", hooks.replace_price)(
    low_quality_costs_less=Row(
        "A 1K image with quality low costs half the price of its tier.",
        lambda price, request: price // (2 if request.quality == "low" else 1),
    ),
    multiple_images_discounted=Row(
        "Each of several images costs one credit less, in the response and in the ledger.",
        lambda price, request: price - (request.n > 1),
    ),
    four_images_at_4k_discounted=Row(
        "Four images at 4K cost 44 credits, in the response and in the ledger.",
        lambda price, request: price - ((request.n, price) == (4, 12)),
    ),
    three_images_at_2k_overpriced=Row(
        "Three images at 2K cost 33 credits, in the response and in the ledger.",
        lambda price, request: price + ((request.n, price) == (3, 10)),
    ),
)


@Hook
def edit_tier_bounds(server: PatchedServer, bounds: dict[str, str]) -> None:
    server.schema("Size")["x-sizes"]["tiers"].update(bounds)


mutant_table("GEN-12", edit_tier_bounds, conforms_if_documented=True)(
    wide_size_billed_as_2k=Row("The size 1536x1024 is billed as 2K.", {"1K": "1024x1024"}),
    large_square_billed_as_4k=Row("The size 2048x2048 is billed as 4K.", {"2K": "1920x1920"}),
    largest_size_billed_as_2k=Row("The size 3840x2160 is billed as 2K.", {"2K": "3840x2160"}),
)


@mutant("GEN-12", "A task of two images of 2048x2048 is billed as 4K.", conforms_if_documented=True)
@hooks.on_start.with_server
def large_square_task_of_two_billed_as_4k(server: PatchedServer, start: hooks.Start) -> hooks.Start:
    request = start.request
    if (request.run_async, request.n, request.size) != (True, 2, "2048x2048"):
        return start
    quote = start.quote._replace(tier="4K", credits_per_image=server.prices["4K"])
    return start._replace(quote=quote)


mutant_table("GEN-7", replace_balance)(
    balance_before_charge=Row("The response has the balance before the charge.", balance_before),
    balance_before_charge_with_references=Row(
        "With reference images, the response has the balance before the charge.",
        only_if(has_references, balance_before),
    ),
    balance_charged_twice=Row(
        "The balance of the response is charged twice.",
        lambda credits, generation: credits - generation.credits,
    ),
    balance_charged_for_one_image=Row(
        "The balance of the response is charged for one image.",
        lambda credits, generation: (
            credits + generation.credits - generation.quote.credits_per_image
        ),
    ),
    balance_credits_as_string=Row(
        "The credits of its balance are a string.", lambda credits, _: str(credits)
    ),
)
mutant_table("GEN-7", at_every(3, replace_balance))(
    every_third_balance_stale=Row("Every third balance is that before the charge.", balance_before)
)
mutant_table("GEN-7", responses.mutate_result)(
    balance_as_number=Row(
        "The balance in a response is a number.",
        edit("balance", lambda balance: balance["credits"]),
    )
)


@mutant("GEN-7", "A response has the balance of a user who generates at the same moment.")
def balance_of_concurrent_user(server: PatchedServer) -> None:
    in_progress: list[Account] = []

    @hooks.wrap_generate.on(server)
    async def generate(call: hooks.Call) -> Response:
        in_progress.append(call.account)
        await asyncio.sleep(0.02)
        asyncio.get_running_loop().call_later(0.02, in_progress.remove, call.account)
        return await call.proceed()

    @responses.mutate_result.on(server)
    def mutate(content: Json, generation: Generation) -> None:
        others = [account for account in in_progress if account.id != generation.account]
        for account in others:
            content["balance"]["credits"] = max(content["balance"]["credits"], account.balance)


@mutant("GEN-7", "A balance in a response lacks what running tasks of the account were charged.")
@responses.mutate_result.with_server
def balance_ignores_tasks(server: PatchedServer, content: Json, generation: Generation) -> None:
    running = server.running_generations(server.hub.accounts[generation.account])
    content["balance"]["credits"] += sum(one.credits_requested for one in running)


@mutant("GEN-7", "Every response has the balance of the first response of the account.")
def balance_of_first_response(server: PatchedServer) -> None:
    first: dict[str, object] = {}

    @responses.mutate_result.on(server)
    def mutate(content: Json, generation: Generation) -> None:
        content["balance"] = first.setdefault(generation.account, content["balance"])

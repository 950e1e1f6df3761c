"""Mutants of the model list (MOD-1 to MOD-8)."""

from __future__ import annotations

from collections.abc import Callable

from mockhub.mutants import hooks, responses
from mockhub.mutants.changes import InPlace, edit, extend, remove, update, within
from mockhub.mutants.hook import Hook
from mockhub.mutants.patched_server import PatchedServer
from mockhub.mutants.registry import Row, mutant, mutant_table
from mockhub.mutants.types import Account, Json, RequestContext
from mockhub.spec.operations import OperationId

replace_models = responses.replace_json(OperationId.LIST_MODELS, status=200)
mutate_list = responses.mutate_json(OperationId.LIST_MODELS, status=200)


@mutate_list.adapted
def mutate_model(change: Callable[[Json], object], content: Json, context: RequestContext) -> None:
    """Change the entry of the model in the list; what is charged stays the same."""
    change(content["data"][0])


def listed_prices(prices: dict[str, int]) -> InPlace:
    return within("credits_per_image", lambda listed: listed.update(prices))


def remove_ratio(ratio: str) -> InPlace:
    return within("supported_aspect_ratios", lambda ratios: ratios.remove(ratio))


def replace_ratio(ratio: str, other: object) -> InPlace:
    """List another value instead of a ratio."""
    return edit(
        "supported_aspect_ratios",
        lambda ratios: [other if each == ratio else each for each in ratios],
    )


mutant_table("MOD-1", mutate_list)(
    models_as_ids=Row(
        "The list has only the ids of models.",
        edit("data", lambda models: [model["id"] for model in models]),
    )
)
mutant_table("MOD-1", mutate_model)(
    model_without_id=Row("The model has no id.", remove("id")),
    model_without_provider=Row("The model has no provider.", remove("provider")),
    model_without_ratios=Row("The model has no ratios.", remove("supported_aspect_ratios")),
    model_without_qualities=Row(
        "The model has neither qualities nor prices of qualities.",
        remove("supported_qualities", "credits_per_image"),
    ),
    model_without_limit=Row("The model has no reference limit.", remove("reference_image_limit")),
    model_without_prices=Row("The model has no credits per image.", remove("credits_per_image")),
)
mutant_table("MOD-2", mutate_model)(
    other_model_id=Row("The id of the model is gpt-image-1.", update(id="gpt-image-1")),
    other_model_name=Row("The name of the model is GPT Image 1.", update(name="GPT Image 1")),
    model_name_in_title_case=Row(
        "The name of the model is Gpt Image 2.", update(name="Gpt Image 2")
    ),
    other_provider=Row("The provider of the model is azure.", update(provider="azure")),
)
mutant_table("MOD-8", replace_models, conforms_if_documented=True)(
    models_as_array=Row("The model list is an array.", lambda content, context: content["data"]),
    models_named_models=Row(
        "The models are in `models` instead of `data`.",
        lambda content, context: {"models": content["data"]},
    ),
)
mutant_table("MOD-8", mutate_list, conforms_if_documented=True)(
    list_object_renamed=Row("The object of the list is `models`.", update(object="models"))
)
mutant_table("MOD-3", mutate_model)(
    listed_1k_price_wrong=Row("The list has 6 credits for 1K, not 8.", listed_prices({"1K": 6})),
    listed_2k_price_wrong=Row("The list has 9 credits for 2K, not 10.", listed_prices({"2K": 9})),
    listed_4k_price_missing=Row(
        "The list has no price for 4K.", within("credits_per_image", remove("4K"))
    ),
    listed_prices_swapped=Row(
        "The list swaps the prices of 1K and 4K.", listed_prices({"1K": 12, "4K": 8})
    ),
    single_listed_price=Row("The list has one price for all tiers.", update(credits_per_image=8)),
)


@Hook
def override_prices(server: PatchedServer, prices: dict[str, int]) -> None:
    """List, charge and report other prices of some tiers."""
    server.model["credits_per_image"].update(prices)


mutant_table("MOD-3", override_prices)(
    overpriced_1k=Row("1K images are listed, charged and reported at 9 credits.", {"1K": 9}),
    overpriced_4k=Row("4K images are listed, charged and reported at 16 credits.", {"4K": 16}),
)
mutant_table("MOD-4", mutate_model)(
    default_ratio_square=Row(
        "The default ratio is 1:1.", within("default_options", update(aspect_ratio="1:1"))
    ),
    default_quality_2k=Row(
        "The default quality is 2K.", within("default_options", update(quality="2K"))
    ),
    model_without_defaults=Row(
        "The model has no default options.", remove("default_options"), level="inferred"
    ),
)


@mutant("MOD-4", "The size auto is billed as 2K.")
def auto_size_billed_as_2k(server: PatchedServer) -> None:
    server.schema("Size")["x-sizes"]["auto"] = "2048x2048"


@mutant("MOD-3", "With a key, the list has 11 credits for 4K.")
@mutate_list
def listed_price_differs_with_key(content: Json, context: RequestContext) -> None:
    if context.key_digest:
        content["data"][0]["credits_per_image"]["4K"] = 11


@mutant("MOD-3", "After the first generation, the list has the price of 4K for every tier.")
def listed_prices_change_after_generation(server: PatchedServer) -> None:
    generated: list[Account] = []
    hooks.after_generation(lambda context, account: generated.append(account))(server)

    @mutate_model.on(server)
    def change(model: Json) -> None:
        if generated:
            model["credits_per_image"] = dict.fromkeys(model["credits_per_image"], 12)


mutant_table("MOD-5", mutate_model)(
    **{
        "4k_not_listed": Row(
            "4K is not among the qualities.",
            within("supported_qualities", lambda qualities: qualities.remove("4K")),
        ),
        "8k_listed": Row("8K is among the qualities.", extend("supported_qualities", "8K")),
    },
    qualities_low_medium_high=Row(
        "The qualities are low, medium and high.",
        update(supported_qualities=["low", "medium", "high"]),
        level="inferred",
    ),
)
mutant_table("MOD-6", mutate_model)(
    ratio_auto_not_listed=Row("auto is not among the ratios.", remove_ratio("auto")),
    ratio_9_to_21_not_listed=Row("9:21 is not among the ratios.", remove_ratio("9:21")),
    ratio_5_to_4_not_listed=Row("5:4 is not among the ratios.", remove_ratio("5:4")),
    ratio_21_to_9_reduced=Row("21:9 is listed reduced, as 7:3.", replace_ratio("21:9", "7:3")),
    extra_ratio_listed=Row("7:4 is among the ratios.", extend("supported_aspect_ratios", "7:4")),
    listed_ratio_as_number=Row(
        "16:9 is listed as 969, which is how YAML 1.1 reads it.", replace_ratio("16:9", 969)
    ),
)
mutant_table("MOD-7", mutate_model)(
    reference_limit_listed_as_10=Row(
        "The list has 10 as reference_image_limit, not 16.", update(reference_image_limit=10)
    ),
    reference_limit_as_string=Row(
        "reference_image_limit is a string.", update(reference_image_limit="16")
    ),
    reference_limit_null=Row("reference_image_limit is null.", update(reference_image_limit=None)),
)


@mutant("MOD-7", "The limit of reference images is 10, in the list and for requests.")
def reference_limit_is_10(server: PatchedServer) -> None:
    server.model["reference_image_limit"] = 10

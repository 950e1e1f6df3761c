"""Mutants of the model list (MOD-1 to MOD-8)."""

from __future__ import annotations

from collections.abc import Callable

from mockhub.mutants.hooks import hook, remove, replace_json, update
from mockhub.mutants.patched_server import PatchedServer
from mockhub.mutants.registry import mutant, mutant_table
from mockhub.mutants.responses import Json
from mockhub.spec.operations import OperationId

replace_models = replace_json(OperationId.LIST_MODELS, status=200)


@hook
def mutate_model(server: PatchedServer, change: Callable[[Json], object]) -> None:
    """Change the entry of the model in the list; what is charged stays the same."""
    server.mutate_json(OperationId.LIST_MODELS, status=200)(
        lambda content, context: change(content["data"][0])
    )


def remove_ratio(ratio: str) -> Callable[[Json], object]:
    return lambda model: model["supported_aspect_ratios"].remove(ratio)


def replace_ratio(ratio: str, other: object) -> Callable[[Json], object]:
    """List another value instead of a ratio."""

    def change(model: Json) -> None:
        ratios = model["supported_aspect_ratios"]
        ratios[ratios.index(ratio)] = other

    return change


# -- fields --------------------------------------------------------------------------------------

mutant_table("MOD-1", replace_models)(
    models_as_ids=(
        "The list has only the ids of models.",
        lambda content, context: {
            "object": "list",
            "data": [model["id"] for model in content["data"]],
        },
    ),
)
mutant_table("MOD-1", mutate_model)(
    model_without_id=("The model has no id.", remove("id")),
    model_without_provider=("The model has no provider.", remove("provider")),
    model_without_ratios=("The model has no ratios.", remove("supported_aspect_ratios")),
    model_without_qualities=(
        "The model has neither qualities nor prices of qualities.",
        remove("supported_qualities", "credits_per_image"),
    ),
    model_without_limit=(
        "The model has no reference_image_limit.",
        remove("reference_image_limit"),
    ),
    model_without_prices=("The model has no credits per image.", remove("credits_per_image")),
)
mutant_table("MOD-2", mutate_model)(
    other_model_id=("The id of the model is gpt-image-1.", update(id="gpt-image-1")),
    other_model_name=("The name of the model is GPT Image 1.", update(name="GPT Image 1")),
    other_provider=("The provider of the model is azure.", update(provider="azure")),
)
mutant_table("MOD-8", replace_models, conforms_if_documented=True)(
    models_as_array=("The model list is an array.", lambda content, context: content["data"]),
    models_named_models=(
        "The models are in `models` instead of `data`.",
        lambda content, context: {"models": content["data"]},
    ),
    list_object_renamed=(
        "The object of the list is `models`.",
        lambda content, context: {**content, "object": "models"},
    ),
)

# -- prices --------------------------------------------------------------------------------------

mutant_table("MOD-3", mutate_model)(
    listed_1k_price_wrong=(
        "The list has 6 credits for 1K; 8 are charged.",
        lambda model: model["credits_per_image"].update({"1K": 6}),
    ),
    listed_2k_price_wrong=(
        "The list has 9 credits for 2K; 10 are charged.",
        lambda model: model["credits_per_image"].update({"2K": 9}),
    ),
    listed_4k_price_missing=(
        "The list has no price for 4K.",
        lambda model: model["credits_per_image"].pop("4K"),
    ),
    listed_prices_swapped=(
        "The list has 12 credits for 1K and 8 for 4K.",
        lambda model: model["credits_per_image"].update({"1K": 12, "4K": 8}),
    ),
    single_listed_price=("The list has one price for all tiers.", update(credits_per_image=8)),
)


@hook
def override_prices(server: PatchedServer, prices: dict[str, int]) -> None:
    """List, charge and report other prices of some tiers."""
    server.model["credits_per_image"].update(prices)


mutant_table("MOD-3", override_prices)(
    overpriced_1k=("1K images are listed, charged and reported at 9 credits.", {"1K": 9}),
    overpriced_4k=("4K images are listed, charged and reported at 16 credits.", {"4K": 16}),
)

# -- defaults, qualities and ratios --------------------------------------------------------------

mutant_table("MOD-4", mutate_model)(
    default_ratio_square=(
        "The default ratio is 1:1.",
        lambda model: model["default_options"].update(aspect_ratio="1:1"),
    ),
    default_quality_2k=(
        "The default quality is 2K.",
        lambda model: model["default_options"].update(quality="2K"),
    ),
)
mutant_table("MOD-4", mutate_model, level="inferred")(
    model_without_defaults=("The model has no default options.", remove("default_options")),
)


@mutant("MOD-4", "The size auto is billed as 2K.")
def auto_size_billed_as_2k(server: PatchedServer) -> None:
    server.schema("Size")["x-sizes"]["auto"] = "2048x2048"


mutant_table("MOD-5", mutate_model)(
    **{
        "4k_not_listed": (
            "4K is not among the qualities.",
            lambda model: model["supported_qualities"].remove("4K"),
        ),
        "8k_listed": (
            "8K is among the qualities.",
            lambda model: model["supported_qualities"].append("8K"),
        ),
    },
)
mutant_table("MOD-5", mutate_model, level="inferred")(
    qualities_low_medium_high=(
        "The qualities are low, medium and high.",
        update(supported_qualities=["low", "medium", "high"]),
    ),
)
mutant_table("MOD-6", mutate_model)(
    ratio_auto_not_listed=("auto is not among the ratios.", remove_ratio("auto")),
    ratio_9_to_21_not_listed=("9:21 is not among the ratios.", remove_ratio("9:21")),
    ratio_5_to_4_not_listed=("5:4 is not among the ratios.", remove_ratio("5:4")),
    ratio_21_to_9_reduced=(
        "21:9 is listed in lowest terms, as 7:3.",
        replace_ratio("21:9", "7:3"),
    ),
    extra_ratio_listed=(
        "7:4 is among the ratios.",
        lambda model: model["supported_aspect_ratios"].append("7:4"),
    ),
    listed_ratio_as_number=(
        "16:9 is listed as 969, which is how YAML 1.1 reads it.",
        replace_ratio("16:9", 969),
    ),
)

# -- the limit of reference images ---------------------------------------------------------------

mutant_table("MOD-7", mutate_model)(
    reference_limit_listed_as_10=(
        "The list has 10 as reference_image_limit; 16 are accepted.",
        update(reference_image_limit=10),
    ),
    reference_limit_as_string=(
        "reference_image_limit is a string.",
        update(reference_image_limit="16"),
    ),
    reference_limit_null=("reference_image_limit is null.", update(reference_image_limit=None)),
)


@mutant("MOD-7", "The limit of reference images is 10, in the list and for requests.")
def reference_limit_is_10(server: PatchedServer) -> None:
    server.model["reference_image_limit"] = 10

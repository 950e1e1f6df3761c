"""Defects of the model list."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mockhub.mutants.patched_server import PatchedServer
from mockhub.mutants.registry import Level, mutant
from mockhub.spec.operations import OperationId
from mockhub.web import responses
from mockhub.web.context import RequestContext


def mutate_model(
    name: str,
    clause: str,
    description: str,
    change: Callable[[dict[str, Any]], object],
    *,
    level: Level | None = None,
    conforms_if_documented: bool = False,
) -> None:
    """Register a mutant that lists the model otherwise than it is."""

    def apply(server: PatchedServer) -> None:
        @server.mutate_json(OperationId.LIST_MODELS, status=200)
        def rewrite(content: Any, context: RequestContext) -> None:
            change(content["data"][0])

    mutant(
        clause,
        level=level,
        conforms_if_documented=conforms_if_documented,
        name=name,
        description=description,
    )(apply)


def mutate_model_list(
    name: str,
    clause: str,
    description: str,
    change: Callable[[Any], object],
    *,
    conforms_if_documented: bool = False,
) -> None:
    """Register a mutant that replaces the model list by the result of *change*."""

    def apply(server: PatchedServer) -> None:
        server.replace_json(OperationId.LIST_MODELS, status=200)(
            lambda content, context: change(content)
        )

    mutant(
        clause, conforms_if_documented=conforms_if_documented, name=name, description=description
    )(apply)


def _without_ratio(ratio: str) -> Callable[[dict[str, Any]], object]:
    return lambda model: model["supported_aspect_ratios"].remove(ratio)


@mutant("END-1", "The model list needs a key.")
def models_require_key(server: PatchedServer) -> None:
    @server.on_response(OperationId.LIST_MODELS, status=200)
    def require_key(response: responses.Response, context: RequestContext) -> responses.Response:
        known = context.key_digest in server.hub.keys
        return response if known else responses.error_response(server.error("missingApiKey"))


mutate_model_list(
    "model-list-empty", "END-1", "The model list is empty.", lambda content: {**content, "data": []}
)
mutate_model_list(
    "models-as-ids",
    "MOD-1",
    "The list gives the models' ids only.",
    lambda content: {"object": "list", "data": [model["id"] for model in content["data"]]},
)
mutate_model_list(
    "models-as-array",
    "MOD-8",
    "The models are a bare array.",
    lambda content: content["data"],
    conforms_if_documented=True,
)
mutate_model_list(
    "models-named-models",
    "MOD-8",
    "The models are called `models`.",
    lambda content: {"models": content["data"]},
    conforms_if_documented=True,
)
mutate_model_list(
    "list-object-renamed",
    "MOD-8",
    "The list's object is `models`.",
    lambda content: {**content, "object": "models"},
    conforms_if_documented=True,
)

mutate_model("model-without-id", "MOD-1", "The model has no id.", lambda model: model.pop("id"))
mutate_model(
    "model-without-provider",
    "MOD-1",
    "The model has no provider.",
    lambda model: model.pop("provider"),
)
mutate_model(
    "model-without-ratios",
    "MOD-1",
    "The model has no ratios.",
    lambda model: model.pop("supported_aspect_ratios"),
)
mutate_model(
    "model-without-qualities",
    "MOD-1",
    "The model has neither qualities nor prices by them.",
    lambda model: (model.pop("supported_qualities"), model.pop("credits_per_image")),
)
mutate_model(
    "model-without-limit",
    "MOD-1",
    "The model has no reference_image_limit.",
    lambda model: model.pop("reference_image_limit"),
)
mutate_model(
    "model-without-prices",
    "MOD-1",
    "The model has no credits per image.",
    lambda model: model.pop("credits_per_image"),
)
mutate_model(
    "model-without-defaults",
    "MOD-4",
    "The model has no default options.",
    lambda model: model.pop("default_options"),
    level="inferred",
)

mutate_model(
    "other-model-id",
    "MOD-2",
    "The listed model's id is gpt-image-1.",
    lambda model: model.update(id="gpt-image-1"),
)
mutate_model(
    "other-model-name",
    "MOD-2",
    "The model is named GPT Image 1.",
    lambda model: model.update(name="GPT Image 1"),
)
mutate_model(
    "other-provider",
    "MOD-2",
    "The model's provider is azure.",
    lambda model: model.update(provider="azure"),
)

mutate_model(
    "listed-1k-price-wrong",
    "MOD-3",
    "The list says 6 credits for 1K; 8 are charged.",
    lambda model: model["credits_per_image"].update({"1K": 6}),
)
mutate_model(
    "listed-2k-price-wrong",
    "MOD-3",
    "The list says 9 credits for 2K.",
    lambda model: model["credits_per_image"].update({"2K": 9}),
)
mutate_model(
    "listed-4k-price-missing",
    "MOD-3",
    "The list has no price for 4K.",
    lambda model: model["credits_per_image"].pop("4K"),
)
mutate_model(
    "listed-prices-swapped",
    "MOD-3",
    "1K is listed at 12 credits and 4K at 8.",
    lambda model: model["credits_per_image"].update({"1K": 12, "4K": 8}),
)
mutate_model(
    "single-listed-price",
    "MOD-3",
    "The list gives one price for all tiers.",
    lambda model: model.update(credits_per_image=8),
)

mutate_model(
    "default-ratio-square",
    "MOD-4",
    "The default ratio is 1:1.",
    lambda model: model["default_options"].update(aspect_ratio="1:1"),
)
mutate_model(
    "default-quality-2k",
    "MOD-4",
    "The default quality is 2K.",
    lambda model: model["default_options"].update(quality="2K"),
)

mutate_model(
    "4k-not-listed",
    "MOD-5",
    "4K is not among the qualities.",
    lambda model: model["supported_qualities"].remove("4K"),
)
mutate_model(
    "8k-listed",
    "MOD-5",
    "8K is among the qualities.",
    lambda model: model["supported_qualities"].append("8K"),
)
mutate_model(
    "qualities-low-medium-high",
    "MOD-5",
    "The qualities are low, medium and high.",
    lambda model: model.update(supported_qualities=["low", "medium", "high"]),
    level="inferred",
)

for _ratio in ("auto", "9:21", "5:4"):
    mutate_model(
        f"ratio-{_ratio.replace(':', '-to-')}-not-listed",
        "MOD-6",
        f"{_ratio} is not among the ratios.",
        _without_ratio(_ratio),
    )
mutate_model(
    "ratio-21-to-9-reduced",
    "MOD-6",
    "21:9 is listed in lowest terms, as 7:3.",
    lambda model: model.update(
        supported_aspect_ratios=[
            "7:3" if ratio == "21:9" else ratio for ratio in model["supported_aspect_ratios"]
        ]
    ),
)
mutate_model(
    "extra-ratio-listed",
    "MOD-6",
    "7:4 is among the ratios.",
    lambda model: model["supported_aspect_ratios"].append("7:4"),
)
mutate_model(
    "listed-ratio-as-number",
    "MOD-6",
    "16:9 is listed as 969, as YAML reads it.",
    lambda model: model.update(
        supported_aspect_ratios=[
            969 if ratio == "16:9" else ratio for ratio in model["supported_aspect_ratios"]
        ]
    ),
)

mutate_model(
    "reference-limit-listed-as-10",
    "MOD-7",
    "reference_image_limit is 10.",
    lambda model: model.update(reference_image_limit=10),
)
mutate_model(
    "reference-limit-as-string",
    "MOD-7",
    "reference_image_limit is a text.",
    lambda model: model.update(reference_image_limit="16"),
)
mutate_model(
    "reference-limit-null",
    "MOD-7",
    "reference_image_limit is null.",
    lambda model: model.update(reference_image_limit=None),
)


@mutant("MOD-7", "The limit of reference images is 10, in the list and in what is taken.")
def reference_limit_is_10(server: PatchedServer) -> None:
    server.model["reference_image_limit"] = 10


@mutant("MOD-3", "1K images are listed, charged and reported at 9 credits.")
def overpriced_1k(server: PatchedServer) -> None:
    server.model["credits_per_image"]["1K"] = 9


@mutant("MOD-3", "4K images are listed, charged and reported at 16 credits.")
def overpriced_4k(server: PatchedServer) -> None:
    server.model["credits_per_image"]["4K"] = 16


@mutant("MOD-4", "The size auto is billed as 2K.")
def auto_size_billed_as_2k(server: PatchedServer) -> None:
    server.schema("Size")["x-sizes"]["auto"] = "2048x2048"

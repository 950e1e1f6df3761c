"""Defects of the model list."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mockhub.mutants.house import MODELS, House
from mockhub.mutants.registry import Level, mutant
from mockhub.web import wire
from mockhub.web.visit import Visit


def listing(
    name: str,
    clause: str,
    says: str,
    change: Callable[[dict[str, Any]], object],
    *,
    level: Level | None = None,
    tolerable: bool = False,
) -> None:
    """Register a mutant that lists the model otherwise than it is."""

    def put(house: House) -> None:
        @house.on_content(MODELS, status=200)
        def rewrite(content: Any, visit: Visit) -> None:
            change(content["data"][0])

    mutant(clause, level=level, tolerable=tolerable, name=name, says=says)(put)


def whole(
    name: str, clause: str, says: str, change: Callable[[Any], object], *, tolerable: bool = False
) -> None:
    """Register a mutant that answers another list."""

    def put(house: House) -> None:
        house.on_content(MODELS, status=200)(lambda content, visit: change(content))

    mutant(clause, tolerable=tolerable, name=name, says=says)(put)


def _without_ratio(ratio: str) -> Callable[[dict[str, Any]], object]:
    return lambda model: model["supported_aspect_ratios"].remove(ratio)


@mutant("END-1")
def models_need_a_key(house: House) -> None:
    """The model list needs a key."""

    @house.on_answer(MODELS, status=200)
    def locked(answer: wire.Answer, visit: Visit) -> wire.Answer:
        known = visit.digest in house.hub.keys
        return answer if known else wire.refusal(house.error("missingApiKey"))


whole(
    "no-model-listed", "END-1", "The model list is empty.", lambda content: content["data"].clear()
)
whole(
    "models-by-name",
    "MOD-1",
    "The list gives the models' ids only.",
    lambda content: {"object": "list", "data": [model["id"] for model in content["data"]]},
)
whole(
    "models-bare",
    "MOD-8",
    "The models are a bare array.",
    lambda content: content["data"],
    tolerable=True,
)
whole(
    "models-called-models",
    "MOD-8",
    "The models are called `models`.",
    lambda content: {"models": content["data"]},
    tolerable=True,
)
whole(
    "list-object-renamed",
    "MOD-8",
    "The list's object is `models`.",
    lambda content: content.update(object="models"),
    tolerable=True,
)

listing("model-without-id", "MOD-1", "The model has no id.", lambda model: model.pop("id"))
listing(
    "model-without-provider",
    "MOD-1",
    "The model has no provider.",
    lambda model: model.pop("provider"),
)
listing(
    "model-without-ratios",
    "MOD-1",
    "The model has no ratios.",
    lambda model: model.pop("supported_aspect_ratios"),
)
listing(
    "model-without-qualities",
    "MOD-1",
    "The model has neither qualities nor prices by them.",
    lambda model: (model.pop("supported_qualities"), model.pop("credits_per_image")),
)
listing(
    "model-without-limit",
    "MOD-1",
    "The model has no reference_image_limit.",
    lambda model: model.pop("reference_image_limit"),
)
listing(
    "model-without-prices",
    "MOD-1",
    "The model has no credits per image.",
    lambda model: model.pop("credits_per_image"),
)
listing(
    "model-without-defaults",
    "MOD-4",
    "The model has no default options.",
    lambda model: model.pop("default_options"),
    level="inferred",
)

listing(
    "another-model",
    "MOD-2",
    "The listed model's id is gpt-image-1.",
    lambda model: model.update(id="gpt-image-1"),
)
listing(
    "another-name",
    "MOD-2",
    "The model is named GPT Image 1.",
    lambda model: model.update(name="GPT Image 1"),
)
listing(
    "another-provider",
    "MOD-2",
    "The model's provider is azure.",
    lambda model: model.update(provider="azure"),
)

listing(
    "price-list-lies",
    "MOD-3",
    "The list says 6 credits for 1K; 8 are charged.",
    lambda model: model["credits_per_image"].update({"1K": 6}),
)
listing(
    "price-of-2k-lies",
    "MOD-3",
    "The list says 9 credits for 2K.",
    lambda model: model["credits_per_image"].update({"2K": 9}),
)
listing(
    "price-of-4k-missing",
    "MOD-3",
    "The list has no price for 4K.",
    lambda model: model["credits_per_image"].pop("4K"),
)
listing(
    "prices-turned",
    "MOD-3",
    "1K is listed at 12 credits and 4K at 8.",
    lambda model: model["credits_per_image"].update({"1K": 12, "4K": 8}),
)
listing(
    "one-price",
    "MOD-3",
    "The list gives one price for all tiers.",
    lambda model: model.update(credits_per_image=8),
)

listing(
    "default-ratio-square",
    "MOD-4",
    "The default ratio is 1:1.",
    lambda model: model["default_options"].update(aspect_ratio="1:1"),
)
listing(
    "default-quality-2k",
    "MOD-4",
    "The default quality is 2K.",
    lambda model: model["default_options"].update(quality="2K"),
)

listing(
    "no-4k",
    "MOD-5",
    "4K is not among the qualities.",
    lambda model: model["supported_qualities"].remove("4K"),
)
listing(
    "8k-too",
    "MOD-5",
    "8K is among the qualities.",
    lambda model: model["supported_qualities"].append("8K"),
)
listing(
    "qualities-of-the-request",
    "MOD-5",
    "The qualities are low, medium and high.",
    lambda model: model.update(supported_qualities=["low", "medium", "high"]),
    level="inferred",
)

for _ratio in ("auto", "9:21", "5:4"):
    listing(
        f"no-{_ratio.replace(':', '-to-')}",
        "MOD-6",
        f"{_ratio} is not among the ratios.",
        _without_ratio(_ratio),
    )
listing(
    "ratio-reduced",
    "MOD-6",
    "21:9 is listed in lowest terms, as 7:3.",
    lambda model: model.update(
        supported_aspect_ratios=[
            "7:3" if ratio == "21:9" else ratio for ratio in model["supported_aspect_ratios"]
        ]
    ),
)
listing(
    "ratio-too-many",
    "MOD-6",
    "7:4 is among the ratios.",
    lambda model: model["supported_aspect_ratios"].append("7:4"),
)
listing(
    "ratios-as-numbers",
    "MOD-6",
    "16:9 is listed as 969, as YAML reads it.",
    lambda model: model.update(
        supported_aspect_ratios=[
            969 if ratio == "16:9" else ratio for ratio in model["supported_aspect_ratios"]
        ]
    ),
)

listing(
    "limit-10-listed",
    "MOD-7",
    "reference_image_limit is 10.",
    lambda model: model.update(reference_image_limit=10),
)
listing(
    "limit-as-text",
    "MOD-7",
    "reference_image_limit is a text.",
    lambda model: model.update(reference_image_limit="16"),
)
listing(
    "limit-null",
    "MOD-7",
    "reference_image_limit is null.",
    lambda model: model.update(reference_image_limit=None),
)


@mutant("MOD-7")
def limit_of_10(house: House) -> None:
    """The limit of reference images is 10, in the list and in what is taken."""
    house.model["reference_image_limit"] = 10

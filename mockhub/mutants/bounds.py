"""Defects of what model, size, quality and prompt may hold."""

from __future__ import annotations

from mockhub.mutants.asking import Asked
from mockhub.mutants.fields import (
    asked_otherwise,
    in_each,
    lower,
    refuse_value,
    refusing,
    strip,
)
from mockhub.mutants.house import House
from mockhub.mutants.registry import mutant
from mockhub.spec.coerce import Invalid


@mutant("REQ-1")
def any_model_taken(house: House) -> None:
    """A model that is not listed is taken for the listed one."""
    model = house.model["id"]
    house.on_asked(
        lambda asked: (
            asked.values.update(model=model)
            if isinstance(asked.values.get("model"), str) and asked.values["model"]
            else None
        )
    )


asked_otherwise(
    "unlisted-model-taken",
    "REQ-1",
    "a model that is not listed is taken for the listed one.",
    lambda values: values.update(model="gpt-image-2") if values.get("model") else None,
)


@mutant("REQ-1")
def model_case_ignored(house: House) -> None:
    """GPT-Image-2 is taken for the listed model."""
    lower(house, "model")


@mutant("REQ-1")
def model_prefix_taken(house: House) -> None:
    """A model whose id begins with the listed one's is taken for it."""
    house.on_asked(
        lambda asked: (
            asked.values.update(model="gpt-image-2")
            if str(asked.values.get("model")).startswith("gpt-image-2")
            else None
        )
    )


@mutant("REQ-1")
def older_model_taken(house: House) -> None:
    """gpt-image-1 is taken, although it is not listed."""
    house.on_asked(
        lambda asked: (
            asked.values.update(model="gpt-image-2")
            if asked.values.get("model") == "gpt-image-1"
            else None
        )
    )


@mutant("REQ-1")
def unknown_model_not_found(house: House) -> None:
    """A model that is not listed answers 404 notFound."""

    @house.on_asked
    def refuse(asked: Asked) -> None:
        model = asked.values.get("model")
        if isinstance(model, str) and model and model not in house.law.catalog.models:
            raise house.error("notFound")


asked_otherwise(
    "model-optional",
    "REQ-1",
    "model may be left out.",
    lambda values: values.setdefault("model", "gpt-image-2") and None,
)


@mutant("REQ-3")
def auto_size_refused(house: House) -> None:
    """Size auto is refused."""
    refuse_value(house, "size", "auto")


@mutant("REQ-3")
def any_size_taken(house: House) -> None:
    """A size that is no size is taken for auto."""
    house.on_asked(
        lambda asked: (
            asked.values.update(size="auto")
            if isinstance(asked.values.get("size"), str) and "x" not in asked.values["size"]
            else None
        )
    )


@mutant("REQ-3", level="inferred")  # the page names two sizes only
def squares_only(house: House) -> None:
    """1536x1024, a standard size, is refused."""
    refuse_value(house, "size", "1536x1024")
    refuse_value(house, "size", "1024x1536")


def sized(house: House, **rules: object) -> None:
    """Hold sizes to other rules."""
    house.schema("Size")["x-sizes"].update(rules)


@mutant("REQ-13", tolerable=True)
def odd_sides_taken(house: House) -> None:
    """Sides need not be divisible by 16."""
    sized(house, multiple=1)


@mutant("REQ-13", tolerable=True)
def any_ratio_taken(house: House) -> None:
    """A ratio beyond 3:1 is taken."""
    sized(house, widest="12:1", tallest="1:12")


@mutant("REQ-13", tolerable=True)
def huge_sizes_taken(house: House) -> None:
    """A size beyond 3840x2160 is taken."""
    sized(house, largest="9984x9984")


@mutant("REQ-13", tolerable=True)
def large_sizes_refused(house: House) -> None:
    """Nothing beyond 2048x2048 is taken."""
    sized(house, largest="2048x2048")


@mutant("REQ-13", tolerable=True)
def widest_refused(house: House) -> None:
    """A ratio of exactly 3:1 or 1:3 is refused."""
    sized(house, widest="299:100", tallest="100:299")


@mutant("REQ-13", tolerable=True)
def capital_x_taken(house: House) -> None:
    """1024X1024 is taken for 1024x1024."""
    lower(house, "size")


@mutant("REQ-13", tolerable=True)
def blanks_around_size_taken(house: House) -> None:
    """Blanks and line ends around a size are taken off."""
    strip(house, "size")


@mutant("REQ-4")
def any_quality_taken(house: House) -> None:
    """A quality that there is not is taken for auto."""
    house.on_asked(
        lambda asked: (
            asked.values.update(quality="auto")
            if isinstance(asked.values.get("quality"), str)
            else None
        )
    )


in_each(
    "unknown-quality-taken",
    "REQ-4",
    "any quality is taken.",
    lambda quality: quality.pop("enum"),
    field="quality",
)
in_each(
    "hd-quality-taken",
    "REQ-4",
    "hd and standard are taken as qualities, as an older upstream model does.",
    lambda quality: quality["enum"].extend(["hd", "standard"]),
    field="quality",
)
in_each(
    "tiers-taken-as-quality",
    "REQ-4",
    "1K, 2K and 4K are taken as qualities.",
    lambda quality: quality["enum"].extend(["1K", "2K", "4K"]),
    field="quality",
)
for _quality in ("auto", "low", "medium", "high"):
    mutant("REQ-4", name=f"{_quality}-quality-refused", says=f"Quality {_quality} is refused.")(
        refusing("quality", _quality)
    )


@mutant("REQ-4")
def quality_case_ignored(house: House) -> None:
    """HIGH is taken for high."""
    lower(house, "quality")


in_each(
    "empty-prompt-taken",
    "REQ-11",
    "an empty prompt is taken.",
    lambda prompt: prompt.update(minLength=0),
    field="prompt",
    tolerable=True,
)
in_each(
    "endless-prompt-taken",
    "REQ-11",
    "a prompt of more than 32,000 characters is taken.",
    lambda prompt: prompt.pop("maxLength"),
    field="prompt",
    tolerable=True,
)
in_each(
    "long-prompt-refused",
    "REQ-11",
    "a prompt of more than 1,000 characters is refused.",
    lambda prompt: prompt.update(maxLength=1000),
    field="prompt",
    tolerable=True,
)
asked_otherwise(
    "prompt-optional",
    "REQ-11",
    "prompt may be left out.",
    lambda values: values.setdefault("prompt", "anything") and None,
    tolerable=True,
)


@mutant("REQ-11")
def prompt_counted_in_bytes(house: House) -> None:
    """A prompt's length is counted in bytes."""

    @house.on_asked
    def count(asked: Asked) -> None:
        prompt = asked.values.get("prompt")
        if isinstance(prompt, str) and len(prompt.encode()) > 32_000:  # noqa: PLR2004
            raise Invalid("prompt is too long")


@mutant("REQ-11")
def emoji_crash(house: House) -> None:
    """A prompt with a character beyond the basic plane answers 500."""

    @house.on_asked
    def crash(asked: Asked) -> None:
        if any(ord(letter) > 0xFFFF for letter in str(asked.values.get("prompt"))):  # noqa: PLR2004
            raise RuntimeError("Incorrect string value")


@mutant("REQ-11")
def foreign_prompts_refused(house: House) -> None:
    """A prompt that is not ASCII is refused."""

    @house.on_asked
    def refuse(asked: Asked) -> None:
        if not str(asked.values.get("prompt")).isascii():
            raise Invalid("prompt: expected ASCII")

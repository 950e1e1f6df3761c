"""Defects of what a request's fields may hold, often in one media type only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mockhub.mutants.house import POST, Asked, House, refused
from mockhub.mutants.registry import Level, mutant
from mockhub.spec.operations import FORM, JSON

_MEDIA = {JSON: "json", FORM: "form"}
_IN = {JSON: "In JSON", FORM: "In a form"}


def in_each(
    name: str,
    clause: str,
    says: str,
    change: Callable[[Any], object],
    *,
    field: str = "n",
    level: Level | None = None,
    tolerable: bool = False,
) -> None:
    """Register two mutants, each with another schema of a field in one media type."""
    for media, short in _MEDIA.items():

        def edit(house: House, media: str = media) -> None:
            change(house.field(field, media))

        mutant(
            clause,
            level=level,
            tolerable=tolerable,
            name=f"{name}-in-{short}",
            says=f"{_IN[media]}, {says}",
        )(edit)


def asked_otherwise(
    name: str, clause: str, says: str, change: Callable[[dict[str, Any]], object], **more: Any
) -> None:
    """Register two mutants, each of which reads one media type's fields otherwise."""
    for media, short in _MEDIA.items():

        def edit(house: House, media: str = media) -> None:
            house.on_asked(lambda asked: change(asked.values) if asked.media == media else None)

        more.setdefault("tolerable", False)
        mutant(clause, name=f"{name}-in-{short}", says=f"{_IN[media]}, {says}", **more)(edit)


def refusing(name: str, value: object) -> Callable[[House], None]:
    """A defect that refuses a value of a field."""
    return lambda house: refuse_value(house, name, value)


# -- n -------------------------------------------------------------------------------------------

in_each("five-taken", "REQ-5", "n=5 is taken.", lambda n: n.update(maximum=5))
in_each("ten-taken", "REQ-5", "n goes up to 10, as upstream.", lambda n: n.update(maximum=10))
in_each("four-refused", "REQ-5", "n=4 is refused.", lambda n: n.update(maximum=3))
asked_otherwise(
    "one-refused",
    "REQ-5",
    "n=1 is refused.",
    lambda values: values.update(n=0) if values.get("n", 1) == 1 else None,
)
asked_otherwise(
    "zero-means-one",
    "REQ-5",
    "n=0 is taken for one image.",
    lambda values: values.update(n=values.get("n") or 1) if values.get("n") == 0 else None,
)
asked_otherwise(
    "many-clamped",
    "REQ-5",
    "n above 4 gives four images.",
    lambda values: (
        values.update(n=4)
        if isinstance(values.get("n"), int) and values["n"] > 4  # noqa: PLR2004
        else None
    ),
)
asked_otherwise(
    "few-clamped",
    "REQ-5",
    "n below 1 gives one image.",
    lambda values: (
        values.update(n=1) if isinstance(values.get("n"), int) and values["n"] < 1 else None
    ),
)


@mutant("REQ-5")
def negative_means_positive(house: House) -> None:
    """The sign of n is dropped: -2 gives two images."""
    house.on_asked(
        lambda asked: (
            asked.values.update(n=abs(asked.values["n"]))
            if isinstance(asked.values.get("n"), int) and not isinstance(asked.values["n"], bool)
            else None
        )
    )


@mutant("REQ-5")
def n_out_of_range_is_422(house: House) -> None:
    """n=5 is refused with 422."""

    @house.on_answer(POST, code="invalid_request")
    def rewrite(answer: Any, visit: Any) -> Any:
        n = visit.reading.values.get("n") if visit.reading else 1
        odd = isinstance(n, int) and not 1 <= n <= 4  # noqa: PLR2004
        return answer._replace(status=422) if odd else answer


@mutant("REQ-5")
def n_out_of_range_crashes(house: House) -> None:
    """n=0 is not refused but divided by, which answers 500."""

    @house.on_asked
    def divide(asked: Asked) -> None:
        n = asked.values.get("n", 1)
        if isinstance(n, int):
            _ = 1 // n


@mutant("REQ-5")
def huge_n_wraps(house: House) -> None:
    """n is kept in 8 bits: 257 is one image."""
    house.on_asked(
        lambda asked: (
            asked.values.update(n=asked.values["n"] % 256)
            if isinstance(asked.values.get("n"), int)
            else None
        )
    )


@mutant("REQ-5")
def n_ignored(house: House) -> None:
    """One image is made, charged and answered, whatever n is."""
    house.on_asked(
        lambda asked: asked.values.update(n=1) if asked.values.get("n") in (2, 3, 4) else None
    )


@mutant("REQ-16")
def n_ignored_in_forms(house: House) -> None:
    """A form's n is not looked at: one image is made."""
    house.on_asked(lambda asked: asked.values.pop("n", 0) and None if asked.media == FORM else None)


@mutant("REQ-16")
def async_ignored_in_forms(house: House) -> None:
    """A form's async is not looked at."""
    house.on_asked(
        lambda asked: asked.values.pop("async", 0) and None if asked.media == FORM else None
    )


@mutant("REQ-16")
def any_text_is_true_in_forms(house: House) -> None:
    """A form's async=false is taken for true, being a text that is not empty."""
    house.on_asked(
        lambda asked: (
            asked.values.update({"async": True})
            if asked.media == FORM and "async" in asked.values
            else None
        )
    )


@mutant("REQ-16")
def form_numbers_refused(house: House) -> None:
    """A form's n is refused for being a text."""

    @house.on_asked
    def refuse(asked: Asked) -> None:
        if asked.media == FORM and "n" in asked.values:
            raise refused("n: expected an integer")


# -- model, size, quality, prompt ----------------------------------------------------------------


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


@mutant("REQ-3")
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
            raise refused("prompt is too long")


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
            raise refused("prompt: expected ASCII")


# -- defaults and types --------------------------------------------------------------------------


def default(house: House, name: str, value: object) -> None:
    """Read a field that was left out as *value*."""
    house.on_asked(lambda asked: asked.values.setdefault(name, value) and None)


@mutant("REQ-12", tolerable=True)
def default_n_is_4(house: House) -> None:
    """Without n four images are made."""
    default(house, "n", 4)


@mutant("REQ-12", tolerable=True)
def default_size_is_2k(house: House) -> None:
    """Without a size 2048x2048 is made."""
    default(house, "size", "2048x2048")


@mutant("GEN-1")
def async_by_default(house: House) -> None:
    """Without async the answer does not wait."""
    default(house, "async", True)


@mutant("REQ-12", tolerable=True)
def size_required(house: House) -> None:
    """A request without a size is refused."""

    @house.on_asked
    def refuse(asked: Asked) -> None:
        if "size" not in asked.values:
            raise refused("size is missing")


@mutant("REQ-12", tolerable=True)
def n_required(house: House) -> None:
    """A request without n is refused."""

    @house.on_asked
    def refuse(asked: Asked) -> None:
        if "n" not in asked.values:
            raise refused("n is missing")


def coerced(house: House, name: str, kind: type, change: Callable[[Any], object]) -> None:
    """Take another JSON type for a field by changing its value."""

    @house.on_asked
    def coerce(asked: Asked) -> None:
        value = asked.values.get(name)
        if asked.media == JSON and type(value) is kind:
            asked.values[name] = change(value)


@mutant("REQ-12", tolerable=True)
def n_as_text_taken(house: House) -> None:
    """In JSON, n="2" is taken for 2."""
    coerced(house, "n", str, lambda text: int(text) if text.isdigit() else text)


@mutant("REQ-12", tolerable=True)
def n_rounded(house: House) -> None:
    """In JSON, n=1.5 is taken for 1."""
    coerced(house, "n", float, int)


@mutant("REQ-12", tolerable=True)
def n_true_taken(house: House) -> None:
    """In JSON, n=true is taken for 1."""
    coerced(house, "n", bool, int)


@mutant("REQ-12", tolerable=True)
def nulls_taken(house: House) -> None:
    """In JSON, a field that is null is taken for one that was left out."""

    @house.on_asked
    def drop(asked: Asked) -> None:
        for name in [name for name, value in asked.values.items() if value is None]:
            del asked.values[name]


@mutant("REQ-12", tolerable=True)
def async_as_text_taken(house: House) -> None:
    """In JSON, async="true" is taken for true."""
    coerced(house, "async", str, lambda text: text == "true")


@mutant("REQ-12", tolerable=True)
def async_as_number_taken(house: House) -> None:
    """In JSON, async=1 is taken for true."""
    coerced(house, "async", int, bool)


@mutant("REQ-12", tolerable=True)
def prompt_as_number_taken(house: House) -> None:
    """In JSON, a prompt that is a number is written out."""
    coerced(house, "prompt", int, str)


@mutant("REQ-12")
def wrong_types_crash(house: House) -> None:
    """In JSON, a field of another type answers 500."""
    types = {"model": str, "prompt": str, "size": str, "quality": str, "n": int, "async": bool}

    @house.on_asked
    def crash(asked: Asked) -> None:
        for name, kind in types.items():
            if not isinstance(asked.values.get(name, kind()), kind):
                raise TypeError(f"{name} is no {kind.__name__}")


@mutant("REQ-15", tolerable=True)
def unknown_fields_refused(house: House) -> None:
    """A field that is not documented is refused."""

    @house.on_asked
    def refuse(asked: Asked) -> None:
        known = house.law.operations[POST].bodies[asked.media].fields
        if odd := [name for name in asked.values if name not in known]:
            raise refused(f"{odd[0]}: unknown field")


@mutant("REQ-15")
def unknown_fields_crash(house: House) -> None:
    """A field that is not documented answers 500."""

    @house.on_asked
    def crash(asked: Asked) -> None:
        known = house.law.operations[POST].bodies[asked.media].fields
        if any(name not in known for name in asked.values):
            raise TypeError("unexpected keyword argument")


# -- what the last request said sticks -----------------------------------------------------------


def sticking(house: House, name: str) -> None:
    """Read a field that was left out as the last request's."""
    last: dict[str, object] = {}

    @house.on_asked
    def stick(asked: Asked) -> None:
        if name in asked.values:
            last[name] = asked.values[name]
        elif name in last:
            asked.values[name] = last[name]


@mutant("REQ-12")
def n_sticks(house: House) -> None:
    """Without n, as many images are made as the last request asked for."""
    sticking(house, "n")


@mutant("REQ-12")
def async_sticks(house: House) -> None:
    """Without async, a request waits or not as the last one did that said so."""
    sticking(house, "async")


def lower(house: House, name: str) -> None:
    change_text(house, name, str.lower)


def strip(house: House, name: str) -> None:
    change_text(house, name, str.strip)


def change_text(house: House, name: str, change: Callable[[str], str]) -> None:
    house.on_asked(
        lambda asked: (
            asked.values.update({name: change(asked.values[name])})
            if isinstance(asked.values.get(name), str)
            else None
        )
    )


def refuse_value(house: House, name: str, value: object) -> None:
    @house.on_asked
    def refuse(asked: Asked) -> None:
        if asked.values.get(name) == value:
            raise refused(f"{name}: {value} is not offered")

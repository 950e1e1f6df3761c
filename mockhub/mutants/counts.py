"""Defects of n, and of how a form's fields are read."""

from __future__ import annotations

from typing import Any

from mockhub.mutants.asking import Asked
from mockhub.mutants.fields import (
    asked_otherwise,
    in_each,
)
from mockhub.mutants.house import POST, House
from mockhub.mutants.registry import mutant
from mockhub.spec.coerce import Invalid
from mockhub.spec.operations import FORM

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
            raise Invalid("n: expected an integer")

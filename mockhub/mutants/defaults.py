"""Defects of fields that are left out, of another type, or not known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mockhub.mutants.asking import Asked
from mockhub.mutants.house import POST, House
from mockhub.mutants.registry import mutant
from mockhub.spec.coerce import Invalid
from mockhub.spec.operations import JSON


def default(house: House, name: str, value: object) -> None:
    """Read a field that was left out as *value*."""
    house.on_asked(lambda asked: asked.values.setdefault(name, value) and None)


@mutant("REQ-12", tolerable=True)
def default_n_is_4(house: House) -> None:
    """Without n four images are made."""
    default(house, "n", 4)


@mutant("REQ-12")
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
            raise Invalid("size is missing")


@mutant("REQ-12", tolerable=True)
def n_required(house: House) -> None:
    """A request without n is refused."""

    @house.on_asked
    def refuse(asked: Asked) -> None:
        if "n" not in asked.values:
            raise Invalid("n is missing")


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


@mutant("REQ-5")
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
            raise Invalid(f"{odd[0]}: unknown field")


@mutant("REQ-15")
def unknown_fields_crash(house: House) -> None:
    """A field that is not documented answers 500."""

    @house.on_asked
    def crash(asked: Asked) -> None:
        known = house.law.operations[POST].bodies[asked.media].fields
        if any(name not in known for name in asked.values):
            raise TypeError("unexpected keyword argument")


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

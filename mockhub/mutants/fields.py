"""How a request's field is read otherwise, in one media type or in both."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mockhub.mutants.asking import Asked
from mockhub.mutants.house import House
from mockhub.mutants.registry import Level, mutant
from mockhub.spec.coerce import Invalid
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
            raise Invalid(f"{name}: {value} is not offered")

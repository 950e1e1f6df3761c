"""The defects and the readings by name, each tagged with what it breaks or reads otherwise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import yaml

from mockhub.mutants.house import House
from mockhub.resources import path
from mockhub.spec.document import nearest
from mockhub.spec.errors import MockhubError

Level = Literal["documented", "inferred"]
Change = Callable[[House], None]


@dataclass(frozen=True)
class Mutant:
    """One deliberate defect.

    Attributes:
        clause: the statement of the documentation that it breaks.
        level: the lowest level at which it is wrong.
        says: what is wrong, in one sentence.
        tolerable: whether it conforms at level documented, being another reading of an open point.
    """

    name: str
    clause: str
    level: Level
    says: str
    change: Change
    tolerable: bool = False


@dataclass(frozen=True)
class Variant:
    """A server that conforms and reads open points otherwise.

    Attributes:
        level: the highest level at which it conforms.
        says: what it does otherwise, in one sentence.
    """

    name: str
    level: Level
    says: str
    change: Change


_mutants: dict[str, Mutant] = {}
_variants: dict[str, Variant] = {}


def mutant(
    clause: str,
    *,
    level: Level | None = None,
    tolerable: bool = False,
    name: str = "",
    says: str = "",
) -> Callable[[Change], Change]:
    """Register a function as a defect: its name is the mutant's, its docstring says what is wrong.

    The level is the clause's own unless another is given.
    """

    def put(change: Change) -> Change:
        made = Mutant(
            name or _name(change),
            clause,
            level or levels()[clause],
            says or (change.__doc__ or ""),
            change,
            tolerable,
        )
        assert made.says, f"{made.name} says not what is wrong"
        assert made.name not in _mutants, f"there are two mutants {made.name}"
        _mutants[made.name] = made
        return change

    return put


def variant(level: Level = "inferred") -> Callable[[Change], Change]:
    """Register a function as a conforming variant, in the manner of *mutant*."""

    def put(change: Change) -> Change:
        made = Variant(_name(change), level, change.__doc__ or "", change)
        assert made.says, f"{made.name} says not what it does otherwise"
        _variants[made.name] = made
        return change

    return put


def mutants() -> Mapping[str, Mutant]:
    """All defects by name."""
    _load()
    return _mutants


def variants() -> Mapping[str, Variant]:
    """All conforming variants by name, those mutants among them that are tolerable."""
    _load()
    tolerable = {
        one.name: Variant(one.name, "documented", one.says, one.change)
        for one in _mutants.values()
        if one.tolerable
    }
    return {**_variants, **tolerable}


def find(name: str) -> Mutant | Variant:
    """A mutant or a variant by its name.

    Raises:
        MockhubError: with the closest known name.
    """
    known: dict[str, Mutant | Variant] = {**variants(), **mutants()}
    if found := known.get(name):
        return found
    raise MockhubError(
        f"there is no mutant {name!r}{nearest(name, known)}; `mockhub mutants` lists them"
    )


@cache
def levels() -> Mapping[str, Level]:
    """The level of each clause."""
    text = (path("contract_tests") / "clauses.yaml").read_text("utf-8")
    groups: Any = yaml.safe_load(text)
    return {id: clause["level"] for group in groups.values() for id, clause in group.items()}


def _name(change: Change) -> str:
    return change.__name__.replace("_", "-")


def _load() -> None:
    from mockhub.mutants import catalogue  # noqa: F401  its import registers everything

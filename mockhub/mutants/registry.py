"""The defects and the readings by name, each tagged with what it breaks or reads otherwise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import yaml

from mockhub._resources import resource_path
from mockhub.mutants.patched_server import PatchedServer

Level = Literal["documented", "inferred"]
Change = Callable[[PatchedServer], None]


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
    description: str
    change: Change
    conforms_if_documented: bool = False


@dataclass(frozen=True)
class Variant:
    """A server that conforms and reads open points otherwise.

    Attributes:
        level: the highest level at which it conforms.
        says: what it does otherwise, in one sentence.
    """

    name: str
    level: Level
    description: str
    change: Change


MUTANTS: dict[str, Mutant] = {}
VARIANTS: dict[str, Variant] = {}


def mutant(
    clause: str,
    *,
    level: Level | None = None,
    conforms_if_documented: bool = False,
    name: str = "",
    description: str = "",
) -> Callable[[Change], Change]:
    """Register a function as a defect: its name is the mutant's, its docstring says what is wrong.

    The level is the clause's own unless another is given.
    """

    def decorator(change: Change) -> Change:
        registered = Mutant(
            name or _name_of(change),
            clause,
            level or levels()[clause],
            description or (change.__doc__ or ""),
            change,
            conforms_if_documented,
        )
        assert registered.description, f"{registered.name} has no docstring"
        assert registered.name not in MUTANTS, f"duplicate mutant {registered.name}"
        MUTANTS[registered.name] = registered
        return change

    return decorator


def variant(level: Level = "inferred") -> Callable[[Change], Change]:
    """Register a function as a conforming variant, in the manner of *mutant*."""

    def decorator(change: Change) -> Change:
        registered = Variant(_name_of(change), level, change.__doc__ or "", change)
        assert registered.description, f"{registered.name} has no docstring"
        VARIANTS[registered.name] = registered
        return change

    return decorator


@cache
def levels() -> Mapping[str, Level]:
    """The level of each clause."""
    text = (resource_path("contract_tests") / "clauses.yaml").read_text("utf-8")
    groups: Any = yaml.safe_load(text)
    return {id: clause["level"] for group in groups.values() for id, clause in group.items()}


def _name_of(change: Change) -> str:
    return change.__name__.replace("_", "-")

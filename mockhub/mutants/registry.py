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
    description: str,
    *,
    level: Level | None = None,
    conforms_if_documented: bool = False,
    name: str = "",
) -> Callable[[Change], Change]:
    """Register a function as a mutant; without *name* the function names it.

    Args:
        clause: The statement of the documentation that it breaks.
        description: What it does wrong, in one sentence.
        level: The lowest level at which it is wrong; by default the level of the clause.
        conforms_if_documented: Whether it is a conforming variant at level documented.
        name: The name in `mockhub mutants`.
    """

    def decorator(change: Change) -> Change:
        registered = Mutant(
            name or _name_of(change),
            clause,
            level or levels()[clause],
            description,
            change,
            conforms_if_documented,
        )
        assert registered.name not in MUTANTS, f"duplicate mutant {registered.name}"
        MUTANTS[registered.name] = registered
        return change

    return decorator


def variant(description: str, *, level: Level = "inferred") -> Callable[[Change], Change]:
    """Register a function as a conforming variant; *level* is the highest at which it conforms."""

    def decorator(change: Change) -> Change:
        registered = Variant(_name_of(change), level, description, change)
        assert registered.name not in VARIANTS, f"duplicate variant {registered.name}"
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

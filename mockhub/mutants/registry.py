"""Register mutants and conforming variants by name, clause and description."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from mockhub.mutants.patched_server import PatchedServer
from mockhub.verify.clauses import Level, clauses

Change = Callable[[PatchedServer], object]

C = TypeVar("C")
C_contra = TypeVar("C_contra", contravariant=True)
Hook = Callable[[C], Change]  # makes a change out of a function of another kind


@dataclass(frozen=True)
class Mutant:
    """A server with one deliberate defect.

    Attributes:
        clause: The statement of the documentation that it breaks.
        level: The lowest level at which it is wrong.
        description: What it does wrong, in one sentence.
        conforms_if_documented: Whether it is a conforming variant at level documented, because
            the documentation can be interpreted differently.
    """

    name: str
    clause: str
    level: Level
    description: str
    change: Change
    conforms_if_documented: bool = False


@dataclass(frozen=True)
class Variant:
    """A server that conforms and interprets open points differently.

    Attributes:
        level: The highest level at which it conforms.
        description: What it does differently, in one sentence.
    """

    name: str
    level: Level
    description: str
    change: Change


class Rows(Protocol[C_contra]):
    """A table of mutants or variants: ``name=(description, function)`` each."""

    def __call__(self, **rows: tuple[str, C_contra]) -> None: ...


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
    """Register a function as a mutant.

    Args:
        clause: The statement of the documentation that it breaks.
        description: What it does wrong, in one sentence.
        level: The lowest level at which it is wrong; by default the level of the clause.
        conforms_if_documented: Whether it is a conforming variant at level documented.
        name: By default the name of the function.
    """

    def decorator(change: Change) -> Change:
        registered = Mutant(
            _to_name(name or change.__name__),
            clause,
            level or clauses()[clause].level,
            description,
            change,
            conforms_if_documented,
        )
        assert registered.name not in MUTANTS, f"duplicate mutant {registered.name}"
        MUTANTS[registered.name] = registered
        return change

    return decorator


def mutant_table(
    clause: str,
    hook: Hook[C],
    *,
    level: Level | None = None,
    conforms_if_documented: bool = False,
) -> Rows[C]:
    """Register a table of mutants of one clause whose functions are all called by *hook*."""

    def register(**rows: tuple[str, C]) -> None:
        for name, (description, function) in rows.items():
            mutant(
                clause,
                description,
                level=level,
                conforms_if_documented=conforms_if_documented,
                name=name,
            )(hook(function))

    return register


def variant(
    description: str, *, level: Level = "inferred", name: str = ""
) -> Callable[[Change], Change]:
    """Register a function as a conforming variant; *level* is the highest at which it conforms."""

    def decorator(change: Change) -> Change:
        registered = Variant(_to_name(name or change.__name__), level, description, change)
        assert registered.name not in VARIANTS, f"duplicate variant {registered.name}"
        VARIANTS[registered.name] = registered
        return change

    return decorator


def variant_table(hook: Hook[C], *, level: Level = "inferred") -> Rows[C]:
    """Register a table of variants whose functions are all called by *hook*."""

    def register(**rows: tuple[str, C]) -> None:
        for name, (description, function) in rows.items():
            variant(description, level=level, name=name)(hook(function))

    return register


def _to_name(identifier: str) -> str:
    return identifier.replace("_", "-")

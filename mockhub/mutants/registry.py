"""Register mutants and conforming variants by name, clause and description."""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass
from typing import Generic, NamedTuple, Protocol, TypeVar

from mockhub.mutants.hook import Change, Hook
from mockhub.verify.clauses import Level, clauses

C = TypeVar("C")
C_co = TypeVar("C_co", covariant=True)
C_contra = TypeVar("C_contra", contravariant=True)


@dataclass(frozen=True)
class Mutant:
    """A server with one deliberate defect.

    Attributes:
        clause: The statement of the documentation that it breaks.
        level: The lowest level at which it is wrong.
        description: What it does wrong, in one sentence.
        conforms_if_documented: Whether it is a conforming variant at level documented, because
            the documentation can be interpreted differently.
        generated: The only check that finds it, if its requests are generated.
    """

    name: str
    clause: str
    level: Level
    description: str
    change: Change
    conforms_if_documented: bool = False
    generated: str = ""


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


class Row(NamedTuple, Generic[C_co]):
    """A mutant or a variant in a table.

    Attributes:
        description: What it does, in one sentence.
        value: What the hook of the table takes.
        level: The level of a mutant, if it is not that of its clause.
    """

    description: str
    value: C_co
    level: Level | None = None


class Table(Protocol[C_contra]):
    """Register each row under the name of its keyword."""

    def __call__(self, **rows: Row[C_contra]) -> None: ...


MUTANTS: dict[str, Mutant] = {}
VARIANTS: dict[str, Variant] = {}

Register = Callable[[Change], Change]


def mutant(
    clause: str,
    description: str,
    *,
    level: Level | None = None,
    conforms_if_documented: bool = False,
    generated: str = "",
    name: str = "",
) -> Register:
    """Register a function as a mutant.

    Args:
        clause: The statement of the documentation that it breaks.
        description: What it does wrong, in one sentence.
        level: The lowest level at which it is wrong; by default the level of the clause.
        conforms_if_documented: Whether it is a conforming variant at level documented.
        generated: The only check that finds it, if its requests are generated.
        name: By default the name of the function.
    """
    least = level or clauses()[clause].level

    def register(change: Change) -> Change:
        id = _unused_name(name or change.__name__, MUTANTS)
        MUTANTS[id] = Mutant(
            id, clause, least, description, change, conforms_if_documented, generated
        )
        return change

    return register


def variant(description: str, *, level: Level = "inferred", name: str = "") -> Register:
    """Register a function as a conforming variant; *level* is the highest at which it conforms."""

    def register(change: Change) -> Change:
        id = _unused_name(name or change.__name__, VARIANTS)
        VARIANTS[id] = Variant(id, level, description, change)
        return change

    return register


def _unused_name(identifier: str, registered: Container[str]) -> str:
    name = identifier.replace("_", "-")
    assert name not in registered, f"duplicate name {name}"
    return name


def mutant_table(
    clause: str, hook: Hook[C], *, conforms_if_documented: bool = False, generated: str = ""
) -> Table[C]:
    """Register a table of mutants of one clause whose values are all passed to *hook*."""

    def register(**rows: Row[C]) -> None:
        for name, (description, value, level) in rows.items():
            mutant(
                clause,
                description,
                level=level,
                conforms_if_documented=conforms_if_documented,
                generated=generated,
                name=name,
            )(hook(value))

    return register


def variant_table(hook: Hook[C], *, level: Level = "inferred") -> Table[C]:
    """Register a table of variants whose values are all passed to *hook*."""

    def register(**rows: Row[C]) -> None:
        for name, row in rows.items():
            variant(row.description, level=level, name=name)(hook(row.value))

    return register

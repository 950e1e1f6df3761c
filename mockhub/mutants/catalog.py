"""All mutants and conforming variants by name; importing this module registers them."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pkgutil import iter_modules

from mockhub._text import suggest
from mockhub.exceptions import MockhubError
from mockhub.mutants import defects
from mockhub.mutants import variants as variant_modules
from mockhub.mutants.registry import MUTANTS, VARIANTS, Mutant, Variant

for _package in (defects, variant_modules):
    for _module in iter_modules(_package.__path__, f"{_package.__name__}."):
        import_module(_module.name)


def mutants() -> Mapping[str, Mutant]:
    """Return all mutants by name."""
    return MUTANTS


def variants() -> Mapping[str, Variant]:
    """Return all conforming variants by name, with the mutants that conform if documented."""
    conforming_mutants = {
        mutant.name: Variant(mutant.name, "documented", mutant.description, mutant.change)
        for mutant in MUTANTS.values()
        if mutant.conforms_if_documented
    }
    return {**VARIANTS, **conforming_mutants}


def find(name: str) -> Mutant | Variant:
    """Return a mutant or a variant by its name.

    Raises:
        MockhubError: if the name is unknown; the message suggests the closest.
    """
    known: dict[str, Mutant | Variant] = {**variants(), **mutants()}
    if name in known:
        return known[name]
    raise MockhubError(
        f"unknown mutant {name!r}{suggest(name, known)}; `mockhub mutants` lists them"
    )

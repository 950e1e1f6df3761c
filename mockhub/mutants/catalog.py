"""All mutants and conforming variants by name; importing this module registers them."""

from __future__ import annotations

from collections.abc import Mapping

from mockhub._text import suggest
from mockhub.exceptions import MockhubError
from mockhub.mutants.defects import (  # noqa: F401
    async_polling,
    async_submission,
    auth,
    balance,
    body_parsing,
    charges,
    concurrency,
    credentials,
    errors,
    field_constraints,
    field_defaults,
    images,
    insufficient_credits,
    models,
    ownership,
    reference_images,
    refunds,
    response_shape,
    retrieval,
    routing,
    sync_generation,
    timestamps,
)
from mockhub.mutants.registry import MUTANTS, VARIANTS, Mutant, Variant
from mockhub.mutants.variants import (  # noqa: F401
    capabilities,
    interpretations,
    presentation,
)


def mutants() -> Mapping[str, Mutant]:
    """Return all mutants by name."""
    return MUTANTS


def variants() -> Mapping[str, Variant]:
    """Return all conforming variants by name, with the mutants that conform if documented."""
    conforming_mutants = {
        one.name: Variant(one.name, "documented", one.description, one.change)
        for one in MUTANTS.values()
        if one.conforms_if_documented
    }
    return {**VARIANTS, **conforming_mutants}


def find(name: str) -> Mutant | Variant:
    """Return a mutant or a variant by its name.

    Raises:
        MockhubError: if the name is unknown; the message suggests the closest.
    """
    known: dict[str, Mutant | Variant] = {**variants(), **mutants()}
    if found := known.get(name):
        return found
    raise MockhubError(
        f"unknown mutant {name!r}{suggest(name, known)}; `mockhub mutants` lists them"
    )

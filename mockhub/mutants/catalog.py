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
    """All defects by name."""
    return MUTANTS


def variants() -> Mapping[str, Variant]:
    """All conforming variants by name, those mutants among them that are tolerable."""
    conforming_mutants = {
        one.name: Variant(one.name, "documented", one.description, one.change)
        for one in MUTANTS.values()
        if one.conforms_if_documented
    }
    return {**VARIANTS, **conforming_mutants}


def find(name: str) -> Mutant | Variant:
    """A mutant or a variant by its name.

    Raises:
        MockhubError: with the closest known name.
    """
    known: dict[str, Mutant | Variant] = {**variants(), **mutants()}
    if found := known.get(name):
        return found
    raise MockhubError(
        f"unknown mutant {name!r}{suggest(name, known)}; `mockhub mutants` lists them"
    )

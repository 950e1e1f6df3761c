"""The validated body of POST /images/generations."""

from __future__ import annotations

from mockhub.spec.frozen_struct import FrozenStruct


class GenerationRequest(FrozenStruct, frozen=True):
    """The fields of a validated request, with defaults filled in."""

    model: str
    prompt: str
    size: str
    quality: str
    n: int
    run_async: bool
    references: tuple[str, ...] = ()  # digests of the reference images

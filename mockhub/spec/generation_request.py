"""The validated body of a request for images."""

from __future__ import annotations

from mockhub.spec.frozen_struct import FrozenStruct


class GenerationRequest(FrozenStruct, frozen=True):
    """What a client asks for, validated and with all defaults filled in."""

    model: str
    prompt: str
    size: str
    quality: str
    n: int
    run_async: bool
    references: tuple[str, ...] = ()  # digests of the reference images

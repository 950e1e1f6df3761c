"""Base class of immutable records: small, and faster to define at start than a dataclass."""

from __future__ import annotations

from msgspec import Struct


class FrozenStruct(Struct, frozen=True, gc=False):
    """An immutable record; copy it with changes by `msgspec.structs.replace`.

    It is not tracked by the garbage collector, so that a hub can keep hundreds of thousands: a
    subclass must not hold a reference cycle.
    """

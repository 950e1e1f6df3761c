"""The ledger: entries that never change, and the lots of credits that they fill and empty."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from mockhub.exceptions import MockhubError
from mockhub.spec.frozen_struct import FrozenStruct

EntryKind = Literal["grant", "charge", "refund", "expiry"]
ENTRY_KINDS: tuple[EntryKind, ...] = get_args(EntryKind)

Allocations = tuple[tuple[int, int], ...]  # (lot, credits), in the order of spending


class Entry(FrozenStruct, frozen=True):
    """One movement of credits."""

    created_at: int
    kind: EntryKind
    credits: int  # negative for a charge or an expiry
    lot: int
    generation: str | None


@dataclass(slots=True)
class Lot:
    """What is left of one grant, and when it expires (milliseconds; None: never)."""

    id: int
    expires_at: int | None
    remaining: int


class InsufficientCredits(MockhubError):
    """The lots of an account do not hold enough credits."""


def allocate(lots: Iterable[Lot], credits: int) -> Allocations:
    """Decide which lots pay *credits*: those that expire soonest first.

    Raises:
        InsufficientCredits: if they cannot; exactly enough is enough (LED-7).
    """
    allocations = []
    for lot in sorted(lots, key=_expiry_order):
        if amount := min(credits, lot.remaining):
            allocations.append((lot.id, amount))
            credits -= amount
        if not credits:
            return tuple(allocations)
    raise InsufficientCredits


def deallocate(allocations: Allocations, credits: int) -> Allocations:
    """Decide which lots a refund of *credits* returns to: those that were spent last first."""
    returned = []
    for lot, amount in reversed(allocations):
        if amount := min(credits, amount):
            returned.append((lot, amount))
            credits -= amount
    return tuple(returned)


def _expiry_order(lot: Lot) -> tuple[bool, int, int]:
    return (lot.expires_at is None, lot.expires_at or 0, lot.id)

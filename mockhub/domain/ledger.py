"""The ledger: entries are facts, and a balance is their sum."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, get_args

from msgspec import Struct

from mockhub.exceptions import MockhubError
from mockhub.spec.frozen_struct import FrozenStruct

EntryKind = Literal["grant", "charge", "refund", "expiry"]
ENTRY_KINDS: tuple[EntryKind, ...] = get_args(EntryKind)


class Entry(FrozenStruct, frozen=True):
    """One movement of credits; never changed."""

    created_at: int
    kind: EntryKind
    credits: int  # below zero for a charge or an expiry
    lot: int
    generation: str | None


class Lot(Struct, gc=False):
    """Credits of one grant that are left, and when they expire (milliseconds; None: never)."""

    id: int
    expires_at: int | None
    remaining: int


class InsufficientCredits(MockhubError):
    """The lots do not hold the credits that are asked for."""


Allocations = tuple[tuple[int, int], ...]  # (lot, credits), in the order of spending


def allocate(lots: Iterable[Lot], credits: int) -> Allocations:
    """Decide which lots pay *credits*: those that expire soonest first.

    Raises:
        Insufficient: if they cannot; a sum exactly equal is enough (LED-7).
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
    """Decide which lots *credits* of what was spent return to: those spent last come back first."""
    returned = []
    for lot, amount in reversed(allocations):
        if amount := min(credits, amount):
            returned.append((lot, amount))
            credits -= amount
    return tuple(returned)


def _expiry_order(lot: Lot) -> tuple[bool, int, int]:
    return (lot.expires_at is None, lot.expires_at or 0, lot.id)

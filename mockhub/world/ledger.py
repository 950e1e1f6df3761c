"""The ledger: entries are facts, and a balance is their sum."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, get_args

from msgspec import Struct

from mockhub.spec.values import Value

Kind = Literal["grant", "charge", "refund", "expiry"]
KINDS: tuple[Kind, ...] = get_args(Kind)


class Entry(Value, frozen=True):
    """One movement of credits; never changed."""

    at: int
    kind: Kind
    credits: int  # below zero for a charge or an expiry
    lot: int
    generation: str | None


class Lot(Struct, gc=False):
    """Credits of one grant that are left, and when they expire (milliseconds; None: never)."""

    id: int
    expires_at: int | None
    remaining: int


class Insufficient(Exception):
    """The lots do not hold the credits that are asked for."""


Portions = tuple[tuple[int, int], ...]  # (lot, credits), in the order of spending


def spend(lots: Iterable[Lot], credits: int) -> Portions:
    """Decide which lots pay *credits*: those that expire soonest first.

    Raises:
        Insufficient: if they cannot; a sum exactly equal is enough (LED-7).
    """
    portions = []
    for lot in sorted(lots, key=_soonest):
        if part := min(credits, lot.remaining):
            portions.append((lot.id, part))
            credits -= part
        if not credits:
            return tuple(portions)
    raise Insufficient


def give_back(portions: Portions, credits: int) -> Portions:
    """Decide which lots *credits* of what was spent return to: those spent last come back first."""
    back = []
    for lot, part in reversed(portions):
        if part := min(credits, part):
            back.append((lot, part))
            credits -= part
    return tuple(back)


def _soonest(lot: Lot) -> tuple[bool, int, int]:
    return (lot.expires_at is None, lot.expires_at or 0, lot.id)

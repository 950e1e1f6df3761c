"""Accounts own credits and generations; keys open accounts."""

from __future__ import annotations

from collections import deque
from copy import copy
from hashlib import sha256
from typing import NamedTuple

from mockhub.spec.values import Value
from mockhub.world.ledger import KINDS, Entry, Kind, Lot, Portions, spend


class Key(NamedTuple):
    """An API key as the server keeps it: its hash, never itself (AUTH-7)."""

    digest: bytes
    account: str
    name: str
    expires_at: int | None = None
    revoked: bool = False


class Balance(Value, frozen=True):
    """What `GET /api/v1/credits` tells (CRD-2); the time in milliseconds."""

    credits: int
    account_type: str
    next_expiration: int | None


class Account:
    """One user: lots of credits and the entries that made them what they are."""

    __slots__ = (
        "account_type",
        "balance",
        "entries",
        "folded",
        "id",
        "keep",
        "lots",
        "totals",
        "_made",
    )

    def __init__(self, id: str, *, account_type: str = "PRO", keep: int = 1_000_000) -> None:
        self.id = id
        self.account_type = account_type
        self.keep = keep
        self.lots: dict[int, Lot] = {}
        self.balance = 0
        self.entries: deque[Entry] = deque()
        self.folded = 0  # the sum of the entries that were let go
        self.totals: dict[Kind, int] = dict.fromkeys(KINDS, 0)  # of all entries ever
        self._made = 0

    def open_lot(self, expires_at: int | None) -> int:
        """A new lot with nothing in it."""
        self._made += 1
        self.lots[self._made] = Lot(self._made, expires_at, 0)
        return self._made

    def plan(self, credits: int) -> Portions:
        """Which lots would pay; raises Insufficient."""
        if len(self.lots) == 1:  # nearly every account; no order to find
            (lot,) = self.lots.values()
            if 0 < credits <= lot.remaining:
                return ((lot.id, credits),)
        return spend(self.lots.values(), credits)

    def apply(self, entry: Entry) -> None:
        """Write one entry down."""
        credits = entry.credits
        self.lots[entry.lot].remaining += credits
        self.balance += credits
        self.totals[entry.kind] += credits
        entries = self.entries
        entries.append(entry)
        if len(entries) > self.keep:
            self.folded += entries.popleft().credits

    def expire(self, now: int) -> None:
        """Write down that what is left of each lot that has expired is gone."""
        for lot in tuple(self.lots.values()):
            if lot.remaining and lot.expires_at is not None and lot.expires_at <= now:
                self.apply(Entry(now, "expiry", -lot.remaining, lot.id, None))

    def read(self) -> Balance:
        """The balance as it stands."""
        soonest = None
        for lot in self.lots.values():
            moment = lot.expires_at
            if moment is not None and lot.remaining and (soonest is None or moment < soonest):
                soonest = moment
        return Balance(self.balance, self.account_type, soonest)

    def copy(self) -> Account:
        """The same account in another world."""
        twin = Account(self.id, account_type=self.account_type, keep=self.keep)
        twin.lots = {id: copy(lot) for id, lot in self.lots.items()}
        twin.entries = deque(self.entries)
        twin.balance, twin.folded, twin._made = self.balance, self.folded, self._made
        twin.totals = dict(self.totals)
        return twin


def key_digest(raw: bytes) -> bytes:
    """The hash by which a key is known."""
    return sha256(raw).digest()

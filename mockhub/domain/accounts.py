"""Accounts own credits and generations; keys open accounts."""

from __future__ import annotations

from collections import deque
from copy import copy

from mockhub.domain.ledger import ENTRY_KINDS, Allocations, Entry, EntryKind, Lot, allocate
from mockhub.spec.frozen_struct import FrozenStruct


class Balance(FrozenStruct, frozen=True):
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
        "evicted_total",
        "id",
        "max_entries",
        "lots",
        "totals",
        "_last_lot_id",
    )

    def __init__(self, id: str, *, account_type: str = "PRO", max_entries: int = 1_000_000) -> None:
        self.id = id
        self.account_type = account_type
        self.max_entries = max_entries
        self.lots: dict[int, Lot] = {}
        self.balance = 0
        self.entries: deque[Entry] = deque()
        self.evicted_total = 0  # the sum of the entries that were let go
        self.totals: dict[EntryKind, int] = dict.fromkeys(ENTRY_KINDS, 0)  # of all entries ever
        self._last_lot_id = 0

    def add_lot(self, expires_at: int | None) -> int:
        """A new lot with nothing in it."""
        self._last_lot_id += 1
        self.lots[self._last_lot_id] = Lot(self._last_lot_id, expires_at, 0)
        return self._last_lot_id

    def allocate(self, credits: int) -> Allocations:
        """Which lots would pay; raises Insufficient."""
        if len(self.lots) == 1:  # nearly every account; no order to find
            (lot,) = self.lots.values()
            if 0 < credits <= lot.remaining:
                return ((lot.id, credits),)
        return allocate(self.lots.values(), credits)

    def apply(self, entry: Entry) -> None:
        """Write one entry down."""
        credits = entry.credits
        self.lots[entry.lot].remaining += credits
        self.balance += credits
        self.totals[entry.kind] += credits
        entries = self.entries
        entries.append(entry)
        if len(entries) > self.max_entries:
            self.evicted_total += entries.popleft().credits

    def expire_lots(self, now: int) -> None:
        """Write down that what is left of each lot that has expired is gone."""
        for lot in tuple(self.lots.values()):
            if lot.remaining and lot.expires_at is not None and lot.expires_at <= now:
                self.apply(Entry(now, "expiry", -lot.remaining, lot.id, None))

    def balance_snapshot(self) -> Balance:
        """The balance as it stands."""
        next_expiration = None
        for lot in self.lots.values():
            expires_at = lot.expires_at
            if (
                expires_at is not None
                and lot.remaining
                and (next_expiration is None or expires_at < next_expiration)
            ):
                next_expiration = expires_at
        return Balance(self.balance, self.account_type, next_expiration)

    def copy(self) -> Account:
        """The same account in another world."""
        clone = Account(self.id, account_type=self.account_type, max_entries=self.max_entries)
        clone.lots = {id: copy(lot) for id, lot in self.lots.items()}
        clone.entries = deque(self.entries)
        clone.balance, clone.evicted_total, clone._last_lot_id = (
            self.balance,
            self.evicted_total,
            self._last_lot_id,
        )
        clone.totals = dict(self.totals)
        return clone

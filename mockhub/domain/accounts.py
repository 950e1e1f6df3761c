"""Accounts: lots of credits, and the ledger entries that explain the balance."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from mockhub.domain.ledger import ENTRY_KINDS, Allocations, Entry, EntryKind, Lot, allocate
from mockhub.spec.frozen_struct import FrozenStruct


class Balance(FrozenStruct, frozen=True):
    """What `GET /api/v1/credits` returns (CRD-2); the expiration in milliseconds."""

    credits: int
    account_type: str
    next_expiration: int | None


@dataclass(slots=True, eq=False)
class Account:
    """One user's credits.

    Attributes:
        entries: the latest ledger entries.
        evicted_total: the sum of the entries that were evicted.
        evicted_count: the number of them.
        totals: the sum of all entries of each kind, evicted ones included.
    """

    id: str
    account_type: str = field(default="PRO", kw_only=True)
    lots: dict[int, Lot] = field(default_factory=dict, init=False)
    balance: int = field(default=0, init=False)
    entries: deque[Entry] = field(default_factory=deque, init=False)
    evicted_total: int = field(default=0, init=False)
    evicted_count: int = field(default=0, init=False)
    totals: dict[EntryKind, int] = field(
        default_factory=lambda: dict.fromkeys(ENTRY_KINDS, 0), init=False
    )

    def add_lot(self, expires_at: int | None) -> int:
        """Add an empty lot and return its id."""
        id = len(self.lots) + 1
        self.lots[id] = Lot(id, expires_at, 0)
        return id

    def allocate(self, credits: int) -> Allocations:
        """Decide which lots would pay; raises InsufficientCredits."""
        return allocate(self.lots.values(), credits)

    def apply(self, entry: Entry) -> None:
        """Append an entry to the ledger and move its credits."""
        credits = entry.credits
        self.lots[entry.lot].remaining += credits
        self.balance += credits
        self.totals[entry.kind] += credits
        self.entries.append(entry)

    def evict_entries(self, max_entries: int) -> None:
        """Evict the oldest entries beyond *max_entries*; balance and totals stay exact."""
        entries = self.entries
        while len(entries) > max_entries:
            self.evicted_total += entries.popleft().credits
            self.evicted_count += 1

    def expire_lots(self, now: int) -> None:
        """Write off what is left of each lot that has expired."""
        for lot in self.lots.values():
            if lot.remaining and lot.expires_at is not None and lot.expires_at <= now:
                self.apply(Entry(now, "expiry", -lot.remaining, lot.id, None))

    def next_expiration(self) -> int | None:
        """Return when credits expire next, in milliseconds."""
        times = [
            lot.expires_at
            for lot in self.lots.values()
            if lot.remaining and lot.expires_at is not None
        ]
        return min(times) if times else None

    def balance_snapshot(self) -> Balance:
        """Return the balance as it is now."""
        return Balance(self.balance, self.account_type, self.next_expiration())

"""Check the ledger invariants: for every account and generation, entries and balances agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from mockhub.domain.accounts import Account
from mockhub.domain.generations import Generation
from mockhub.domain.ledger import ENTRY_KINDS, EntryKind


def audit(accounts: Iterable[Account], generations: Mapping[str, Generation]) -> Iterator[str]:
    """Yield a sentence for each balance or generation that does not agree with its entries."""
    for account in accounts:
        total = account.evicted_total + sum(entry.credits for entry in account.entries)
        in_lots = sum(lot.remaining for lot in account.lots.values())
        credit_total = sum(account.totals.values())
        if not account.balance == total == in_lots == credit_total or account.balance < 0:
            yield (
                f"{account.id}: balance {account.balance}, entries {total}, lots {in_lots}, "
                f"totals {credit_total}"
            )
        yield from _mismatched_usage(account, generations)


def credit_totals_since(
    before: Iterable[Account], after: Iterable[Account]
) -> dict[EntryKind, int]:
    """Sum the credits granted, charged, refunded and expired between two states of accounts."""
    sums: dict[EntryKind, int] = dict.fromkeys(ENTRY_KINDS, 0)
    for sign, accounts in ((-1, before), (1, after)):
        for account in accounts:
            for kind in ENTRY_KINDS:
                sums[kind] += sign * account.totals[kind]
    return sums


def _mismatched_usage(account: Account, generations: Mapping[str, Generation]) -> Iterator[str]:
    spent: Counter[str] = Counter()
    charges: Counter[str] = Counter()
    for entry in account.entries:
        if entry.generation:
            spent[entry.generation] -= entry.credits
            charges[entry.generation] += entry.kind == "charge"
    for id, credits in spent.items():
        generation = generations.get(id)
        if generation is None or not generation.ended:
            continue
        is_complete = charges[id] >= len(generation.allocations)  # no charge was evicted
        if is_complete and generation.credits != credits:
            yield f"{id}: usage {generation.credits}, entries {credits}"

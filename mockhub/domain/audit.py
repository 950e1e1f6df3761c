"""The law of the house: for every account and generation, entries and balances agree."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from mockhub.domain.accounts import Account
from mockhub.domain.generations import Generation
from mockhub.domain.keys import ApiKey
from mockhub.domain.ledger import ENTRY_KINDS, EntryKind


def audit(accounts: Iterable[Account], generations: Mapping[str, Generation]) -> Iterator[str]:
    """What is wrong with the books, as sentences; nothing if every entry and balance agrees."""
    for account in accounts:
        total = account.evicted_total + sum(entry.credits for entry in account.entries)
        in_lots = sum(lot.remaining for lot in account.lots.values())
        credit_total = sum(account.totals.values())
        if not account.balance == total == in_lots == credit_total or account.balance < 0:
            yield (
                f"{account.id}: balance {account.balance}, entries {total}, lots {in_lots}, "
                f"grants less charges {credit_total}"
            )
        yield from _mismatched_usage(account, generations)


def credit_totals_since(
    before: Iterable[Account], after: Iterable[Account]
) -> dict[EntryKind, int]:
    """The credits granted, charged, refunded and expired between two states of the accounts."""
    sums: dict[EntryKind, int] = dict.fromkeys(ENTRY_KINDS, 0)
    for sign, accounts in ((-1, before), (1, after)):
        for account in accounts:
            for kind in ENTRY_KINDS:
                sums[kind] += sign * account.totals[kind]
    return sums


def is_expiry_event(timestamp: int, accounts: Iterable[Account], keys: Iterable[ApiKey]) -> bool:
    """Whether a key, or a lot with anything left in it, expires at that moment."""
    if any(key.expires_at == timestamp and not key.revoked for key in keys):
        return True
    lots = (lot for account in accounts for lot in account.lots.values())
    return any(lot.remaining and lot.expires_at == timestamp for lot in lots)


def _mismatched_usage(account: Account, generations: Mapping[str, Generation]) -> Iterator[str]:
    spent: dict[str, int] = {}
    for entry in account.entries:
        if entry.generation and (entry.kind == "charge" or entry.generation in spent):
            # A refund whose charge has been folded away tells nothing.
            spent[entry.generation] = spent.get(entry.generation, 0) - entry.credits
    for id, credits in spent.items():
        generation = generations.get(id)
        if generation and generation.ended and generation.credits != credits:
            yield f"{id}: usage {generation.credits}, entries {credits}"

"""The law of the house: for every account and generation, entries and balances agree."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from mockhub.world.accounts import Account, Key
from mockhub.world.generations import Generation
from mockhub.world.ledger import KINDS, Kind


def audit(accounts: Iterable[Account], generations: Mapping[str, Generation]) -> Iterator[str]:
    """What is wrong with the books, as sentences; nothing if every entry and balance agrees."""
    for account in accounts:
        total = account.folded + sum(entry.credits for entry in account.entries)
        held = sum(lot.remaining for lot in account.lots.values())
        moved = sum(account.totals.values())
        if not account.balance == total == held == moved or account.balance < 0:
            yield (
                f"{account.id}: balance {account.balance}, entries {total}, lots {held}, "
                f"grants less charges {moved}"
            )
        yield from _unpaid(account, generations)


def moved(before: Iterable[Account], after: Iterable[Account]) -> dict[Kind, int]:
    """The credits granted, charged, refunded and expired between two states of the accounts."""
    sums: dict[Kind, int] = dict.fromkeys(KINDS, 0)
    for sign, accounts in ((-1, before), (1, after)):
        for account in accounts:
            for kind in KINDS:
                sums[kind] += sign * account.totals[kind]
    return sums


def expires(at: int, accounts: Iterable[Account], keys: Iterable[Key]) -> bool:
    """Whether a key, or a lot with anything left in it, expires at that moment."""
    if any(key.expires_at == at and not key.revoked for key in keys):
        return True
    lots = (lot for account in accounts for lot in account.lots.values())
    return any(lot.remaining and lot.expires_at == at for lot in lots)


def _unpaid(account: Account, generations: Mapping[str, Generation]) -> Iterator[str]:
    spent: dict[str, int] = {}
    for entry in account.entries:
        if entry.generation and (entry.kind == "charge" or entry.generation in spent):
            # A refund whose charge has been folded away tells nothing.
            spent[entry.generation] = spent.get(entry.generation, 0) - entry.credits
    for id, credits in spent.items():
        generation = generations.get(id)
        if generation and generation.ended and generation.credits != credits:
            yield f"{id}: usage {generation.credits}, entries {credits}"

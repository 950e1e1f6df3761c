"""The parts of a hub that are stored as JSON, and how they are read back."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

import msgspec
from msgspec import Struct

from mockhub.domain.accounts import Account
from mockhub.domain.clock import Clock, ClockMode, ManualClock, SystemClock
from mockhub.domain.generations import Generation
from mockhub.domain.hub_state import HubState
from mockhub.domain.ids import Ids
from mockhub.domain.keys import ApiKey, KeyStore
from mockhub.domain.ledger import Entry, EntryKind, Lot
from mockhub.domain.provider import Outcome, Provider
from mockhub.domain.scheduler import Scheduler
from mockhub.faults.grammar import Directive
from mockhub.faults.registry import ArmedFault, FaultRegistry

# What counts together for an inline fault: the key, and the prompt if the fault is in it.
_Scope = bytes | tuple[bytes | None, bytes] | None

TOTALS = msgspec.json.Decoder(dict[EntryKind, int])
KEY = msgspec.json.Decoder(ApiKey)
GENERATION = msgspec.json.Decoder(Generation)
_encoder = msgspec.json.Encoder()


def _values(source: object, names: Iterable[str]) -> dict[str, Any]:
    return {name: getattr(source, name) for name in names}


def encode(value: object) -> str:
    return _encoder.encode(value).decode()


class ClockDocument(Struct, omit_defaults=True):
    """A clock; `now` is None for the system's."""

    now: int | None = None
    mode: ClockMode = "autojump"

    @classmethod
    def of(cls, clock: Clock) -> ClockDocument:
        return cls(clock.now(), clock.mode) if isinstance(clock, ManualClock) else cls()

    def build(self) -> Clock:
        return SystemClock() if self.now is None else ManualClock(self.now, mode=self.mode)


class HubDocument(Struct):
    """What a hub has only one of.

    Attributes:
        keys_version: the version of the hub in which a key changed last.
        last_ordinal: the last number given to an account, key or generation, which order them.
        evicted_total: how many generations that had ended were evicted.
        journal: the id of the journal.
    """

    clock: ClockDocument
    seed: int
    counter: int
    max_generations: int
    max_generations_size: int
    image_format: str
    granted_total: int
    ended_size: int
    running_size: int
    prompt_faults: bool
    script: tuple[Outcome, ...]
    used: int
    armed: list[tuple[int, ArmedFault]]
    last_fault: int
    inline: list[tuple[Directive, _Scope, ArmedFault]]
    keys_version: int = 0
    last_ordinal: int = 0
    evicted_total: int = 0
    journal: str = ""

    @classmethod
    def of(cls, state: HubState, **counters: Any) -> HubDocument:
        faults, provider = state.faults, state.provider
        inline_counters: dict[Any, ArmedFault] = faults.inline_counters
        inline: Any = [(*key, armed) for key, armed in inline_counters.items()]
        return cls(
            clock=ClockDocument.of(state.clock),
            seed=state.ids.seed,
            counter=state.ids.counter,
            script=provider.script,
            used=provider.used,
            armed=[*faults.armed.items()],
            last_fault=faults.last_number,
            inline=inline,
            **(_values(state, _HUB_FIELDS) | counters),
        )

    def fields(self) -> dict[str, Any]:
        """Return the fields of a `HubState` that it holds, but for the clock."""
        provider = Provider(self.script)
        provider.used = self.used
        inline: dict[Any, ArmedFault] = {(*key,): armed for *key, armed in self.inline}
        return {
            "ids": Ids(self.seed, self.counter),
            "provider": provider,
            "faults": FaultRegistry(dict(self.armed), self.last_fault, inline),
            **_values(self, _HUB_FIELDS),
        }


# What a document and a state both have.
_HUB_FIELDS = (
    *("max_generations", "max_generations_size", "image_format", "granted_total"),
    *("ended_size", "running_size", "prompt_faults"),
)


class AccountDocument(Struct):
    """An account; the entries are rows of their own, but for those of a snapshot."""

    account_type: str
    lots: dict[int, Lot]
    balance: int
    evicted_total: int
    evicted_count: int
    totals: dict[EntryKind, int]
    entries: tuple[Entry, ...] = ()

    @classmethod
    def of(cls, account: Account, entries: Iterable[Entry] = ()) -> AccountDocument:
        return cls(**_values(account, _ACCOUNT_FIELDS), entries=tuple(entries))

    def apply(self, account: Account, new_entries: Sequence[Entry]) -> None:
        """Bring an account to the document, with the entries that are new and not evicted."""
        last_number = max(entry_count(account), self.evicted_count) + len(new_entries)
        account.entries.extend(new_entries)
        while len(account.entries) > last_number - self.evicted_count:
            account.entries.popleft()
        for name in _ACCOUNT_FIELDS:
            setattr(account, name, getattr(self, name))

    def build(self, id: str) -> Account:
        account = Account(id)
        self.apply(account, self.entries)
        return account


_ACCOUNT_FIELDS = AccountDocument.__struct_fields__[:-1]
ACCOUNT = msgspec.json.Decoder(AccountDocument)


def entry_count(account: Account) -> int:
    return account.evicted_count + len(account.entries)


def new_entries(account: Account, known_count: int) -> list[tuple[int, Entry]]:
    """Return the entries that came after those that are known, with their numbers."""
    total = entry_count(account)
    count = min(total - known_count, len(account.entries))
    newest = islice(reversed(account.entries), count)  # a deque is slow in its midst
    return [*zip(range(total, total - count, -1), newest, strict=True)][::-1]


class SnapshotDocument(Struct):
    """A whole state, to which a hub can be reset."""

    hub: HubDocument
    accounts: dict[str, AccountDocument]
    keys: list[ApiKey]
    generations: list[Generation]
    ended_ids: list[str]

    @classmethod
    def of(cls, state: HubState) -> SnapshotDocument:
        return cls(
            HubDocument.of(state),
            {id: AccountDocument.of(one, one.entries) for id, one in state.accounts.items()},
            [*state.keys.values()],
            [*state.generations.values()],
            [*state.ended_ids],
        )

    def build(self) -> HubState:
        accounts = {id: one.build(id) for id, one in self.accounts.items()}
        generations = {one.id: one for one in self.generations}
        return HubState(
            clock=self.hub.clock.build(),
            accounts=accounts,
            keys=KeyStore((key.digest, key) for key in self.keys),
            generations=generations,
            ended_ids=deque(self.ended_ids),
            scheduler=build_scheduler(accounts.values(), generations.values()),
            **self.hub.fields(),
        )


HUB = msgspec.json.Decoder(HubDocument)
SNAPSHOT = msgspec.json.Decoder(SnapshotDocument)


def build_scheduler(accounts: Iterable[Account], generations: Iterable[Generation]) -> Scheduler:
    """Return the events that are due; those of lots that have expired have no effect."""
    scheduler = Scheduler()
    for account in accounts:
        for lot in account.lots.values():
            scheduler.add_expiry(lot.expires_at)
    for generation in generations:
        if not generation.ended:
            scheduler.add_completion(generation.due_at, generation.id)
    return scheduler

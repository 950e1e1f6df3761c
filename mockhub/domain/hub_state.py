"""The state of a hub: everything that a fork copies and a reset brings back."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field, fields
from typing import Any

from mockhub.domain import audit
from mockhub.domain.accounts import Account
from mockhub.domain.clock import Clock
from mockhub.domain.generations import Changes, Generation
from mockhub.domain.ids import Ids
from mockhub.domain.keys import KeyStore
from mockhub.domain.provider import Provider
from mockhub.domain.scheduler import Scheduler
from mockhub.domain.snapshot import copy_state
from mockhub.faults.registry import FaultRegistry

DEFAULT_MAX_GENERATIONS = 100_000
DEFAULT_MAX_GENERATIONS_SIZE = 256 * 1024 * 1024
_ENTRIES_PER_GENERATION = 4


@dataclass(kw_only=True, eq=False, slots=True)
class HubState:
    """The data of a hub, and the changes that need nothing else.

    Attributes:
        max_generations: how many generations that have ended are kept; see `set_max_generations`.
        max_generations_size: how many bytes of them are kept, and how many bytes may run.
        image_format: ``png``, ``jpeg`` or ``webp``.
        ended_ids: the ids of the generations that have ended, in that order.
        ended_size: how many bytes they take.
        running_size: how many bytes those take that have not ended.
        prompt_faults: whether ``[[...]]`` in a prompt injects faults.
        granted_total: the sum of all grants, which bounds every other sum of credits.
        retained: how many requests wait for a generation, which is not evicted until then.
        reserved_ids: ids that no new generation gets.
    """

    clock: Clock
    ids: Ids
    max_generations: int
    max_generations_size: int = DEFAULT_MAX_GENERATIONS_SIZE
    image_format: str
    accounts: dict[str, Account] = field(default_factory=dict)
    keys: KeyStore = field(default_factory=KeyStore)
    generations: dict[str, Generation] = field(default_factory=dict)
    ended_ids: deque[str] = field(default_factory=deque)
    ended_size: int = 0
    running_size: int = 0
    provider: Provider = field(default_factory=Provider)
    faults: FaultRegistry = field(default_factory=FaultRegistry)
    scheduler: Scheduler = field(default_factory=Scheduler)
    granted_total: int = 0
    retained: Counter[str] = field(default_factory=Counter, init=False)
    reserved_ids: frozenset[str] = field(default=frozenset(), init=False)
    prompt_faults: bool = True

    def snapshot(self) -> HubState:
        """Return an independent copy."""
        return HubState(**_copied_fields(self))

    def restore(self, state: HubState) -> None:
        """Replace everything by a copy of another state."""
        for name, value in _copied_fields(state).items():
            setattr(self, name, value)

    def add_account(self, id: str, *, account_type: str = "PRO") -> Account:
        """Add an account without credits."""
        account = self.accounts[id] = Account(id, account_type=account_type)
        return account

    def new_generation_id(self) -> str:
        """Return the id of a new generation."""
        while (id := self.ids.generation()) in self.reserved_ids:
            pass
        return id

    def commit(self, account: Account, changes: Changes) -> None:
        """Write entries to the ledger and store the generation."""
        for entry in changes.entries:
            account.apply(entry)
        self.evict_entries(account)
        generation = changes.generation
        if self.is_running(generation.id):
            self.running_size -= generation.size
        self.generations[generation.id] = generation
        if generation.ended_at is None:
            self.running_size += generation.size
        else:
            self.ended_ids.append(generation.id)
            self.ended_size += generation.size

    def set_max_generations(self, count: int, size: int | None = None) -> None:
        """Change how many generations, and bytes of them, are kept; evict what is too old now."""
        self.max_generations = count
        if size is not None:
            self.max_generations_size = size
        self.evict_generations()
        for account in self.accounts.values():
            self.evict_entries(account)

    def evict_generations(self) -> None:
        """Evict generations that have ended, the first ones first.

        The last one that has ended is kept, and each one that is retained.
        """
        for _ in range(len(self.ended_ids) - 1):
            too_many = len(self.ended_ids) > self.max_generations
            if not too_many and self.ended_size <= self.max_generations_size:
                break
            id = self.ended_ids.popleft()
            if id in self.retained:
                self.ended_ids.append(id)
            elif evicted := self.generations.pop(id, None):
                self.ended_size -= evicted.size

    def retain(self, id: str) -> None:
        """Keep a generation until `release`, for a request that waits for its end."""
        self.retained[id] += 1

    def release(self, id: str) -> None:
        self.retained[id] -= 1
        if self.retained[id] <= 0:
            del self.retained[id]
            self.evict_generations()

    def evict_entries(self, account: Account) -> None:
        """Evict the oldest entries of a ledger that holds more than the generations need."""
        account.evict_entries(self.max_generations * _ENTRIES_PER_GENERATION)

    def expire_credits(self, now: int) -> None:
        """Write off the lots that have expired."""
        for account in self.accounts.values():
            account.expire_lots(now)

    def is_running(self, id: str) -> bool:
        """Return whether there is such a generation and it has not ended."""
        generation = self.generations.get(id)
        return generation is not None and generation.ended_at is None

    def audit(self) -> list[str]:
        """Return a sentence for each balance or generation that contradicts the ledger."""
        return list(audit.audit(self.accounts.values(), self.generations))


def _copied_fields(state: HubState) -> dict[str, Any]:
    return {one.name: copy_state(getattr(state, one.name)) for one in fields(HubState) if one.init}

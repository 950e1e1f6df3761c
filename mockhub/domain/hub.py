"""A hub: one isolated world, and the four operations in it.

The operations decide by values and commit once; each first settles what is due. Nothing here waits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from msgspec.structs import replace

from mockhub._timestamps import SECOND, format_timestamp
from mockhub.domain import audit
from mockhub.domain.accounts import Account, Balance
from mockhub.domain.clock import Clock, ManualClock, SystemClock, copy_clock
from mockhub.domain.generations import (
    Changes,
    Generation,
    complete_generation,
    create_generation,
    has_timed_out,
)
from mockhub.domain.ids import Ids
from mockhub.domain.keys import ApiKey, Credentials, NoApiKey, key_digest
from mockhub.domain.ledger import Entry, EntryKind, InsufficientCredits
from mockhub.domain.provider import SUCCESS, Outcome, Provider, apply_to_outcome
from mockhub.domain.scheduler import Scheduler
from mockhub.domain.snapshot import copy_state
from mockhub.exceptions import ApiError, MockhubError
from mockhub.faults.grammar import Directive
from mockhub.faults.registry import FaultRegistry
from mockhub.journal.journal import Journal
from mockhub.spec.api_spec import ApiSpec
from mockhub.spec.catalog import Quote
from mockhub.spec.generation_request import GenerationRequest

DEFAULT_MAX_GENERATIONS = 100_000
_ENTRIES_PER_GENERATION = 4


class HubBackend:
    """Everything that can change, for one set of users.

    Args:
        name: how the server finds it.
        law: what the documentation says.
        clock: the system's unless another is given.
        seed: what ids, keys, chance and pictures are made from.
        keep: how many generations are remembered; older ones that have ended are let go.
        image_format: ``png``, ``jpeg`` or ``webp``.
    """

    def __init__(
        self,
        name: str,
        spec: ApiSpec,
        *,
        clock: Clock | None = None,
        seed: int = 0,
        max_generations: int = DEFAULT_MAX_GENERATIONS,
        image_format: str = "png",
    ) -> None:
        self.name = name
        self.spec = spec
        self.clock: Clock = clock or SystemClock()
        self.ids = Ids(seed)
        self.max_generations = max_generations
        self.image_format = image_format
        self.accounts: dict[str, Account] = {}
        self.keys: dict[bytes, ApiKey] = {}
        self.generations: dict[str, Generation] = {}
        self.provider = Provider()
        self.faults = FaultRegistry()
        self.journal = Journal()
        self.on_key_added: Callable[[bytes], None] = lambda digest: None
        self.listeners: list[Callable[[], None]] = []  # told when time or a generation moves
        self.epoch = 0  # how often it was reset or dropped; nobody waits beyond it
        self._snapshot: HubBackend | None = None
        self.clock.listeners.append(self._notify)
        self._eviction_order: deque[str] = deque()
        self._scheduler = Scheduler()
        self._timeout_ms = round(spec.timeout_seconds * SECOND)

    # -- the operations of the law -------------------------------------------------------------

    def list_models(self) -> object:
        """The catalogue (END-1)."""
        return self.spec.model_list

    def get_credits(self, account: Account) -> Balance:
        """The balance of the account (END-2)."""
        self.settle()
        return account.balance_snapshot()

    def create_generation(
        self, account: Account, request: GenerationRequest, directives: Sequence[Directive] = ()
    ) -> Generation:
        """Charge a request and begin it (END-3, LED-1).

        Raises:
            ApiError: 402, with nothing charged and nothing left behind (LED-5).
        """
        now = self.settle()
        quote = self.spec.catalog.quote(request.model, request.size)
        if account.balance < quote.credits_per_image * request.n:  # it never reaches the provider
            raise self._insufficient_credits(account, request, quote)
        outcome = self.provider.next()
        if self.faults.armed or directives:
            armed = self.faults.match_provider(request.prompt, self.ids.random)
            outcome = apply_to_outcome(outcome, (*armed, *directives))
        return self.start_generation(account, request, quote, outcome, self.ids.generation(), now)

    def get_generation(self, account: Account, id: str) -> Generation:
        """Read a generation of the account's own (RET-2); a read is a poll.

        Raises:
            ApiError: 404, alike for another user's and for one that there is not.
        """
        now = self.settle()
        generation = self.find_generation(account, id)
        if generation is None:
            raise self.spec.errors.error("notFound", f"There is no generation {id[:80]!r}")
        if not generation.ended:
            generation = self.record_poll(generation, now)
        return generation

    def find_generation(self, account: Account, id: str) -> Generation | None:
        """A generation of the account's own, or None; no poll."""
        generation = self.generations.get(id)
        return generation if generation and generation.account == account.id else None

    def import_generation(
        self,
        account: Account,
        request: GenerationRequest,
        *,
        id: str | None,
        created_at: int | None,
    ) -> Generation:
        """A generation of the past, paid for and ended; raises ApiError if it cannot be paid."""
        quote = self.spec.catalog.quote(request.model, request.size)
        now = self.clock.now() if created_at is None else created_at
        return self.start_generation(
            account, request, quote, SUCCESS, id or self.ids.generation(), now
        )

    def start_generation(
        self,
        account: Account,
        request: GenerationRequest,
        quote: Quote,
        outcome: Outcome,
        id: str,
        now: int,
    ) -> Generation:
        try:
            changes = create_generation(
                account, request, quote, outcome, id=id, now=now, timeout_ms=self._timeout_ms
            )
        except InsufficientCredits:
            raise self._insufficient_credits(account, request, quote) from None
        self.commit(account, changes)
        self._track(changes.generation)
        return changes.generation

    # -- keys ------------------------------------------------------------------------------------

    def authenticate(self, credentials: Credentials) -> Account:
        """Return the account of an API key.

        Raises:
            ApiError: 401 missingApiKey, invalidApiKey or expiredApiKey (AUTH-3 to AUTH-6).
        """
        key = None if isinstance(credentials, NoApiKey) else self.keys.get(credentials)
        if key is None or key.revoked:
            is_missing = credentials is NoApiKey.MISSING
            raise self.spec.errors.error("missingApiKey" if is_missing else "invalidApiKey")
        if key.expires_at is not None and key.expires_at <= self.clock.now():
            raise self.spec.errors.error("expiredApiKey")
        return self.accounts[key.account]

    def add_key(
        self,
        account: str,
        *,
        raw: str | None = None,
        name: str = "",
        expires_at: int | None = None,
        revoked: bool = False,
    ) -> str:
        """Make a key for an account and return it, once: only its hash is kept (AUTH-7)."""
        key_format = self.spec.key_format
        raw = raw or self.ids.key(key_format.prefix, key_format.length, name=self.name)
        digest = key_digest(raw.encode())
        self.keys[digest] = ApiKey(digest, account, name or account, expires_at, revoked)
        self._scheduler.add(expires_at)
        self.on_key_added(digest)
        return raw

    def revoke_key(self, digest: bytes) -> ApiKey:
        """Let a key open nothing from now on (AUTH-5)."""
        key = self.keys[digest] = self.keys[digest]._replace(revoked=True)
        return key

    def set_key_expiry(self, digest: bytes, expires_at: int | None) -> ApiKey:
        """Let a key expire at a moment (milliseconds), or never (AUTH-6)."""
        self._scheduler.add(expires_at)
        key = self.keys[digest] = self.keys[digest]._replace(expires_at=expires_at)
        return key

    # -- money and time --------------------------------------------------------------------------

    def add_account(self, id: str, *, account_type: str = "PRO") -> Account:
        """Open an account with nothing in it."""
        max_entries = self.max_generations * _ENTRIES_PER_GENERATION
        account = self.accounts[id] = Account(
            id, account_type=account_type, max_entries=max_entries
        )
        return account

    def grant(self, account: Account, credits: int, *, expires_at: int | None = None) -> None:
        """Give an account credits, which may expire (milliseconds)."""
        now = self.settle()
        account.apply(Entry(now, "grant", credits, account.add_lot(expires_at), None))
        self._scheduler.add(expires_at)
        if expires_at is not None:
            self._expire_credits(now)

    def settle(self) -> int:
        """Do what is due by now, in its order; returns now."""
        now = self.clock.now()
        while item := self._scheduler.pop_due(now):
            due_at, id = item
            if not id:
                self._expire_credits(due_at)
            elif (generation := self.generations.get(id)) and not generation.ended:
                self.complete_generation(
                    generation, due_at, failed=has_timed_out(generation, self._timeout_ms)
                )
        return now

    def next_event(self) -> int | None:
        """When something next falls due, or None if nothing will."""
        self.settle()
        return self._scheduler.next_due(self._is_pending)

    def _is_pending(self, due_at: int, id: str) -> bool:
        """Whether something still happens then: it may have been ended or changed meanwhile."""
        if id:
            return id in self.generations and not self.generations[id].ended
        return audit.is_expiry_event(due_at, self.accounts.values(), self.keys.values())

    def advance_to_next_event(self) -> int:
        """Move a manual clock to what falls due next, if anything does; returns now.

        Raises:
            MockhubError: if the clock is the system's.
        """
        clock, due_at = self.manual_clock(), self.next_event()
        if due_at is not None:
            clock.set(due_at)
        return self.settle()

    def manual_clock(self) -> ManualClock:
        """The clock, to be moved; raises MockhubError if it is the system's."""
        if isinstance(self.clock, ManualClock):
            return self.clock
        raise MockhubError(f"the clock of the hub {self.name!r} is the system's: make it manual")

    def set_clock(self, clock: Clock) -> None:
        """Live by another clock from now on.

        Raises:
            MockhubError: if it stands before the one until now.
        """
        if clock.now() < self.clock.now():
            raise MockhubError(
                f"it is {format_timestamp(self.clock.now())} in the hub {self.name!r}; "
                f"a clock at {format_timestamp(clock.now())} would turn time back"
            )
        self._replace_clock(clock)
        self._notify()

    def _replace_clock(self, clock: Clock) -> None:
        self.clock.listeners.remove(self._notify)
        clock.listeners.append(self._notify)
        self.clock = clock

    def complete(self, id: str, *, failed: bool = False) -> Generation:
        """End a running generation by hand; raises KeyError if there is no such."""
        now = self.settle()
        generation = self.generations[id]
        return (
            generation
            if generation.ended
            else self.complete_generation(generation, now, failed=failed)
        )

    def record_poll(self, generation: Generation, now: int) -> Generation:
        generation = replace(generation, polls=generation.polls + 1)
        self.generations[generation.id] = generation
        if generation.polls == generation.outcome.polls:
            return self.complete_generation(generation, now, failed=False)
        return generation

    def complete_generation(self, generation: Generation, now: int, *, failed: bool) -> Generation:
        changes = complete_generation(generation, now, failed=failed)
        self.commit(self.accounts[generation.account], changes)
        if changes.entries:
            self._expire_credits(now)  # a refund to a lot that has expired expires with it
        self._notify()
        return changes.generation

    def _notify(self) -> None:
        for listener in tuple(self.listeners):
            listener()

    def commit(self, account: Account, changes: Changes) -> None:
        for entry in changes.entries:
            account.apply(entry)
        generation = changes.generation
        self.generations[generation.id] = generation

    def _track(self, generation: Generation) -> None:
        self._eviction_order.append(generation.id)
        if generation.ended_at is None:
            self._scheduler.add(generation.due_at, generation.id)
            self._notify()
        if len(self._eviction_order) > self.max_generations:
            self._evict_oldest()

    def _evict_oldest(self) -> None:
        id = self._eviction_order.popleft()
        if self.generations[id].ended:
            del self.generations[id]
        else:
            self._eviction_order.append(id)

    def _expire_credits(self, now: int) -> None:
        for account in self.accounts.values():
            account.expire_lots(now)

    def _insufficient_credits(
        self, account: Account, request: GenerationRequest, quote: Quote
    ) -> ApiError:
        code = "insufficientCredits"
        detail = f"{account.balance} left, {quote.credits_per_image * request.n} needed"
        return self.spec.errors.error(code, f"{self.spec.errors.messages[code]}: {detail}")

    # -- the law of the house --------------------------------------------------------------------

    def audit(self) -> list[str]:
        """What is wrong with the books, as sentences; empty if every entry and balance agrees."""
        return list(audit.audit(self.accounts.values(), self.generations))

    # -- copies ----------------------------------------------------------------------------------

    def fork(self, name: str) -> HubBackend:
        """The same world under another name; what happens in one is not seen in the other."""
        clone = HubBackend(name, self.spec, clock=copy_clock(self.clock))
        self._copy_state_to(clone)
        return clone

    def save_snapshot(self) -> None:
        """Let the world as it stands now be what `reset` comes back to."""
        self._snapshot = self.fork(self.name)

    def reset(self) -> None:
        """Come back to the start, with an empty journal; who waits is let go.

        Raises:
            MockhubError: if no start was remembered.
        """
        if self._snapshot is None:
            raise MockhubError(f"the hub {self.name!r} remembers no start to come back to")
        self._snapshot._copy_state_to(self)
        self._replace_clock(copy_clock(self._snapshot.clock))
        self.journal = Journal()
        self.cancel_waits()

    def cancel_waits(self) -> None:
        """Let everybody go who waits in this life of the hub."""
        self.epoch += 1
        self._notify()

    def credit_totals(self) -> dict[EntryKind, int]:
        """The credits granted, charged, refunded and expired since the start."""
        accounts_before = self._snapshot.accounts.values() if self._snapshot else ()
        return audit.credit_totals_since(accounts_before, self.accounts.values())

    def _copy_state_to(self, target: HubBackend) -> None:
        target.max_generations, target.image_format = self.max_generations, self.image_format
        target.ids = Ids(self.ids.seed, counter=self.ids.counter)
        target.accounts = {id: account.copy() for id, account in self.accounts.items()}
        target.keys = dict(self.keys)
        target.generations = dict(self.generations)
        target.provider, target.faults = self.provider.copy(), copy_state(self.faults)
        target._eviction_order, target._scheduler = (
            self._eviction_order.copy(),
            self._scheduler.copy(),
        )

"""A hub: one isolated instance of the simulated service, and the operations of its API.

Every operation first settles what is due by now, decides on values alone, and commits once.
Nothing here waits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property

from msgspec.structs import replace

from mockhub._numbers import MAX_INTEGER, require_integer
from mockhub._redaction import Redactor
from mockhub._timestamps import SECOND
from mockhub.domain import audit
from mockhub.domain.accounts import Account, Balance
from mockhub.domain.clock import Clock, SystemClock
from mockhub.domain.generations import (
    Changes,
    Generation,
    complete_generation,
    create_generation,
    has_timed_out,
)
from mockhub.domain.hub_state import DEFAULT_MAX_GENERATIONS, HubState
from mockhub.domain.ids import Ids
from mockhub.domain.keys import ApiKey, Credentials, key_digest
from mockhub.domain.ledger import Entry, EntryKind, InsufficientCredits
from mockhub.domain.observable_hub import ObservableHub
from mockhub.domain.provider import SUCCESS, Outcome, apply_to_outcome
from mockhub.exceptions import MockhubError
from mockhub.faults.grammar import Directive
from mockhub.journal.journal import Journal
from mockhub.spec.api_spec import ApiSpec
from mockhub.spec.catalog import Quote
from mockhub.spec.generation_request import GenerationRequest

_TOO_MANY_RUNNING = (
    "Too many generations run for --max-generations-size. Nothing was charged; try again later"
)


class HubBackend(ObservableHub):
    """One isolated instance of the simulated service.

    Args:
        name: the name by which the server finds it.
        spec: the API spec.
        clock: the system's clock unless another one is given.
        seed: determines ids, keys, random numbers and images.
        max_generations: how many generations that have ended are kept; older ones are evicted,
            and with them the older entries of the ledgers.
        image_format: ``png``, ``jpeg`` or ``webp``.

    Attributes:
        saved_state: the state that `reset` returns to.
        on_key_added: called with the digest of each new key.
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
        super().__init__(
            name,
            clock=clock or SystemClock(),
            ids=Ids(seed),
            max_generations=max_generations,
            image_format=image_format,
        )
        self.spec = spec
        self.journal = Journal()
        self.on_key_added: Callable[[bytes], None] = lambda digest: None
        self.saved_state: HubState | None = None
        self._timeout_ms = round(spec.timeout_seconds * SECOND)

    @cached_property
    def redactor(self) -> Redactor:
        """Return what removes API keys from text, those of the hub in any form (AUTH-7)."""
        key_format = self.spec.key_format
        return Redactor(key_format.prefix, key_format.length, is_known=self._has_key)

    def _has_key(self, raw: str) -> bool:
        return key_digest(raw.encode()) in self.keys

    # -- the operations of the API ---------------------------------------------------------------

    def get_credits(self, account: Account) -> Balance:
        """Return the balance of the account, which all keys of its user share (END-2, CRD-3)."""
        self.settle()
        return account.balance_snapshot()

    def create_generation(
        self, account: Account, request: GenerationRequest, directives: Sequence[Directive] = ()
    ) -> Generation:
        """Charge a request and start its generation (END-3, LED-1).

        Raises:
            ApiError: 402 (LED-4), or 500 if too many are running; then nothing is charged or
                created (LED-5).
        """
        now = self.settle()
        quote = self.spec.catalog.quote(request.model, request.size)
        if account.balance < (needed := quote.price(request.n)):  # uses up no outcome
            raise self.spec.errors.insufficient_credits(account.balance, needed)
        if self.running_size > self.max_generations_size:
            raise self.spec.errors.error("generationFailed", _TOO_MANY_RUNNING)
        outcome = self.provider.next()
        if self.faults.armed or directives:
            armed = self.faults.match_provider(request.prompt, self.ids.random)
            outcome = apply_to_outcome(outcome, (*armed, *directives))
        id = self.new_generation_id()
        return self.start_generation(account, request, quote, outcome, id, now)

    def get_generation(self, account: Account, id: str) -> Generation:
        """Read a generation of the account (END-4, RET-1, RET-5), which counts as a poll.

        Raises:
            ApiError: 404, the same for an unknown id (RET-3) and for another account's generation
                (RET-2).
        """
        now = self.settle()
        generation = self.find_generation(account, id)
        if generation is None:
            raise self.spec.errors.error("notFound", f"There is no generation {id[:80]!r}")
        return self.record_poll(generation, now) if generation.ended_at is None else generation

    # -- the steps of a generation ---------------------------------------------------------------

    def commit(self, account: Account, changes: Changes) -> None:
        """Write entries to the ledger and the journal, and store the generation."""
        is_new = changes.generation.id not in self.generations
        super().commit(account, changes)
        if credits := sum([entry.credits for entry in changes.entries]):
            self.journal.book_credits(changes.generation.id, credits, is_new=is_new)

    def find_generation(self, account: Account, id: str) -> Generation | None:
        """Return a generation of the account without polling it."""
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
        """Add a generation that was created in the past; raises ApiError if it cannot be paid."""
        quote = self.spec.catalog.quote(request.model, request.size)
        now = self.clock.now() if created_at is None else created_at
        id = id or self.new_generation_id()
        generation = self.start_generation(account, request, quote, SUCCESS, id, now)
        self.journal.unlist_credits(id)
        return generation

    def start_generation(
        self,
        account: Account,
        request: GenerationRequest,
        quote: Quote,
        outcome: Outcome,
        id: str,
        now: int,
    ) -> Generation:
        """Charge and add a generation; raises ApiError if it cannot be paid."""
        try:
            changes = create_generation(
                account,
                request,
                quote,
                outcome,
                id=id,
                seed=self.ids.seed,
                now=now,
                timeout_ms=self._timeout_ms,
            )
        except InsufficientCredits:
            needed = quote.price(request.n)
            raise self.spec.errors.insufficient_credits(account.balance, needed) from None
        self.commit(account, changes)
        generation = changes.generation
        if generation.ended_at is None:
            self.scheduler.add_completion(generation.due_at, generation.id)
            self.notify()
        self.evict_generations()
        return generation

    def record_poll(self, generation: Generation, now: int) -> Generation:
        """Count a poll, which may complete the generation."""
        generation = replace(generation, polls=generation.polls + 1)
        self.generations[generation.id] = generation
        if generation.polls == generation.outcome.polls:
            return self.complete_generation(generation, now, failed=False)
        return generation

    def complete(self, id: str, *, failed: bool = False) -> Generation:
        """Complete a running generation by hand; raises KeyError if the id is unknown."""
        now = self.settle()
        generation = self.generations[id]
        if generation.ended:
            return generation
        return self.complete_generation(generation, now, failed=failed)

    def complete_generation(self, generation: Generation, now: int, *, failed: bool) -> Generation:
        """Complete a running generation, with a refund for what was not delivered."""
        changes = complete_generation(generation, now, failed=failed)
        self.commit(self.accounts[generation.account], changes)
        if changes.entries:
            self.expire_credits(now)  # a refund to an expired lot expires at once
        if wake := self.completion_listeners.get(generation.id):
            wake()
        self.notify()
        return changes.generation

    # -- credits and keys -------------------------------------------------------------------------

    def create_account(self, id: str, *, account_type: str = "PRO", credits: int = 0) -> Account:
        """Add an account with credits; raises MockhubError, as `grant` does, and adds nothing."""
        self._check_grant(credits)
        account = self.add_account(id, account_type=account_type)
        if credits:
            self.grant(account, credits)
        return account

    def grant(self, account: Account, credits: int, *, expires_at: int | None = None) -> None:
        """Give an account credits, which may expire (milliseconds).

        Raises:
            MockhubError: if *credits* is not a whole number, or all grants of the hub together
                would exceed MAX_INTEGER.
        """
        self._check_grant(credits)
        self.granted_total += credits
        now = self.settle()
        account.apply(Entry(now, "grant", credits, account.add_lot(expires_at), None))
        self.evict_entries(account)
        self.scheduler.add_expiry(expires_at)
        if expires_at is not None:
            self.expire_credits(now)

    def _check_grant(self, credits: int) -> None:
        require_integer("credits", credits, 0, MAX_INTEGER - self.granted_total)

    def add_key(
        self,
        account: str,
        *,
        raw: str | None = None,
        name: str = "",
        expires_at: int | None = None,
        revoked: bool = False,
    ) -> str:
        """Create a key of an account and return it; only its hash is kept (AUTH-7)."""
        key_format = self.spec.key_format
        raw = raw or self.ids.key(key_format.prefix, key_format.length, name=self.name)
        digest = key_digest(raw.encode())
        self.keys[digest] = ApiKey(digest, account, name or account, expires_at, revoked)
        self.on_key_added(digest)
        return raw

    def authenticate(self, credentials: Credentials) -> Account:
        """Return the account of an API key.

        Raises:
            ApiError: 401 missingApiKey, invalidApiKey or expiredApiKey (AUTH-3 to AUTH-6).
        """
        key = self.keys.authenticate(credentials, self.clock, self.spec.errors)
        return self.accounts[key.account]

    # -- faults ----------------------------------------------------------------------------------

    def arm(self, directives: Iterable[Directive]) -> None:
        """Arm faults from now on; see `FaultRegistry.arm`."""
        self.faults.arm(directives, self.clock.now(), last_exchange=self.journal.total)

    # -- time ------------------------------------------------------------------------------------

    def settle(self) -> int:
        """Complete generations and expire credits that are due by now; return now."""
        now = self.clock.now()
        while event := self.scheduler.pop_due(now):
            due_at, id = event
            if not id:
                self.expire_credits(due_at)
            elif self.is_running(id):
                generation = self.generations[id]
                failed = has_timed_out(generation, self._timeout_ms)
                self.complete_generation(generation, due_at, failed=failed)
        return now

    def next_event(self) -> int | None:
        """Return when a generation completes, or a key or credits expire, next."""
        now = self.settle()
        times = (
            self.scheduler.next_completion(self.is_running),
            self.keys.next_expiry(now),
            *(account.next_expiration() for account in self.accounts.values()),
        )
        return min((time for time in times if time is not None), default=None)

    def advance_to_next_event(self) -> int:
        """Move a manual clock to the next event, if there is one; return now.

        Raises:
            MockhubError: if the clock is the system's.
        """
        clock, due_at = self.manual_clock(), self.next_event()
        if due_at is not None:
            clock.set(due_at)
        return self.settle()

    # -- copies ----------------------------------------------------------------------------------

    def fork(self, name: str) -> HubBackend:
        """Return an independent copy under another name, with an empty journal."""
        clone = HubBackend(name, self.spec)
        clone.restore(self)
        return clone

    def save_snapshot(self) -> None:
        """Save the present state, to which `reset` returns."""
        self.saved_state = self.snapshot()

    def reset(self) -> None:
        """Return to the saved state, with an empty journal, and cancel the requests that wait.

        Raises:
            MockhubError: if no state was saved.
        """
        if self.saved_state is None:
            raise MockhubError(f"the hub {self.name!r} has no snapshot to reset to")
        self.restore(self.saved_state)
        self.journal = Journal()
        self.cancel_waits()

    def credit_totals(self) -> dict[EntryKind, int]:
        """Return the credits granted, charged, refunded and expired since the snapshot."""
        before = self.saved_state.accounts.values() if self.saved_state else ()
        return audit.credit_totals_since(before, self.accounts.values())

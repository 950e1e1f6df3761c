"""A hub: one isolated world, and the four operations in it.

The operations decide by values and commit once; each first settles what is due. Nothing here waits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from mockhub.spec.catalog import Quote
from mockhub.spec.errors import ApiError, MockhubError
from mockhub.spec.law import Law
from mockhub.world import books
from mockhub.world.accounts import Account, Balance, Key, key_digest
from mockhub.world.agenda import Agenda
from mockhub.world.board import Board
from mockhub.world.clock import SECOND, Clock, ManualClock, SystemClock, forked, to_text
from mockhub.world.faults import Directive, shape
from mockhub.world.generations import Changes, Generation, Request, begin, overdue, settle
from mockhub.world.ids import Ids
from mockhub.world.journal import Journal
from mockhub.world.ledger import Entry, Insufficient, Kind
from mockhub.world.provider import GOOD, Outcome, Provider

KEEP = 100_000
_ENTRIES_A_GENERATION = 4


class Hub:
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
        law: Law,
        *,
        clock: Clock | None = None,
        seed: int = 0,
        keep: int = KEEP,
        image_format: str = "png",
    ) -> None:
        self.name = name
        self.law = law
        self.clock: Clock = clock or SystemClock()
        self.ids = Ids(seed)
        self.keep = keep
        self.image_format = image_format
        self.accounts: dict[str, Account] = {}
        self.keys: dict[bytes, Key] = {}
        self.generations: dict[str, Generation] = {}
        self.provider = Provider()
        self.faults = Board()
        self.journal = Journal()
        self.on_key: Callable[[bytes], None] = lambda digest: None
        self.listeners: list[Callable[[], None]] = []  # told when time or a generation moves
        self.life = 0  # how often it was reset or dropped; nobody waits beyond it
        self._start: Hub | None = None
        self.clock.listeners.append(self._tell)
        self._order: deque[str] = deque()
        self._agenda = Agenda()
        self._limit = round(law.timeout_seconds * SECOND)

    # -- the operations of the law -------------------------------------------------------------

    def list_models(self) -> object:
        """The catalogue (END-1)."""
        return self.law.listing

    def get_credits(self, account: Account) -> Balance:
        """The balance of the account (END-2)."""
        self.settle()
        return account.read()

    def create_generation(
        self, account: Account, request: Request, directives: Sequence[Directive] = ()
    ) -> Generation:
        """Charge a request and begin it (END-3, LED-1).

        Raises:
            ApiError: 402, with nothing charged and nothing left behind (LED-5).
        """
        now = self.settle()
        quote = self.law.catalog.quote(request.model, request.size)
        if account.balance < quote.unit * request.n:  # it never reaches the provider
            raise self._too_poor(account, request, quote)
        outcome = self.provider.next()
        if self.faults.armed or directives:
            armed = self.faults.on_generation(request.prompt, self.ids.chance)
            outcome = shape(outcome, (*armed, *directives))
        return self._begin(account, request, quote, outcome, self.ids.generation(), now)

    def get_generation(self, account: Account, id: str) -> Generation:
        """Read a generation of the account's own (RET-2); a read is a poll.

        Raises:
            ApiError: 404, alike for another user's and for one that there is not.
        """
        now = self.settle()
        generation = self.find(account, id)
        if generation is None:
            raise self.law.errors.refusal("notFound", f"There is no generation {id[:80]!r}")
        if not generation.ended:
            generation = self._polled(generation, now)
        return generation

    def find(self, account: Account, id: str) -> Generation | None:
        """A generation of the account's own, or None; no poll."""
        generation = self.generations.get(id)
        return generation if generation and generation.account == account.id else None

    def record(
        self, account: Account, request: Request, *, id: str | None, at: int | None
    ) -> Generation:
        """A generation of the past, paid for and ended; raises ApiError if it cannot be paid."""
        quote = self.law.catalog.quote(request.model, request.size)
        now = self.clock.now() if at is None else at
        return self._begin(account, request, quote, GOOD, id or self.ids.generation(), now)

    def _begin(
        self,
        account: Account,
        request: Request,
        quote: Quote,
        outcome: Outcome,
        id: str,
        now: int,
    ) -> Generation:
        try:
            changes = begin(account, request, quote, outcome, id=id, now=now, limit=self._limit)
        except Insufficient:
            raise self._too_poor(account, request, quote) from None
        self._commit(account, changes)
        self._remember(changes.generation)
        return changes.generation

    # -- keys ------------------------------------------------------------------------------------

    def authenticate(self, digest: bytes | None, *, given: bool) -> Account:
        """The account that a key opens.

        Args:
            digest: the hash of the key, or None if the header holds no Bearer token.
            given: whether there was an Authorization header at all.

        Raises:
            ApiError: 401 missingApiKey, invalidApiKey or expiredApiKey (AUTH-3 to AUTH-6).
        """
        key = self.keys.get(digest) if digest else None
        if key is None or key.revoked:
            raise self.law.errors.refusal("invalidApiKey" if given else "missingApiKey")
        if key.expires_at is not None and key.expires_at <= self.clock.now():
            raise self.law.errors.refusal("expiredApiKey")
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
        rules = self.law.key_format
        raw = raw or self.ids.key(rules.prefix, rules.length, name=self.name)
        digest = key_digest(raw.encode())
        self.keys[digest] = Key(digest, account, name or account, expires_at, revoked)
        self._agenda.add(expires_at)
        self.on_key(digest)
        return raw

    def revoke(self, digest: bytes) -> Key:
        """Let a key open nothing from now on (AUTH-5)."""
        key = self.keys[digest] = self.keys[digest]._replace(revoked=True)
        return key

    def expire(self, digest: bytes, at: int | None) -> Key:
        """Let a key expire at a moment (milliseconds), or never (AUTH-6)."""
        self._agenda.add(at)
        key = self.keys[digest] = self.keys[digest]._replace(expires_at=at)
        return key

    # -- money and time --------------------------------------------------------------------------

    def add_account(self, id: str, *, account_type: str = "PRO") -> Account:
        """Open an account with nothing in it."""
        keep = self.keep * _ENTRIES_A_GENERATION
        account = self.accounts[id] = Account(id, account_type=account_type, keep=keep)
        return account

    def grant(self, account: Account, credits: int, *, expires_at: int | None = None) -> None:
        """Give an account credits, which may expire (milliseconds)."""
        now = self.settle()
        account.apply(Entry(now, "grant", credits, account.open_lot(expires_at), None))
        self._agenda.add(expires_at)
        if expires_at is not None:
            self._expire(now)

    def settle(self) -> int:
        """Do what is due by now, in its order; returns now."""
        now = self.clock.now()
        while item := self._agenda.pop(now):
            due, id = item
            if not id:
                self._expire(due)
            elif (generation := self.generations.get(id)) and not generation.ended:
                self._end(generation, due, failed=overdue(generation, self._limit))
        return now

    def next_event(self) -> int | None:
        """When something next falls due, or None if nothing will."""
        self.settle()
        return self._agenda.next(self._matters)

    def _matters(self, due: int, id: str) -> bool:
        """Whether something still happens then: it may have been ended or changed meanwhile."""
        if id:
            return id in self.generations and not self.generations[id].ended
        return books.expires(due, self.accounts.values(), self.keys.values())

    def to_next_event(self) -> int:
        """Move a manual clock to what falls due next, if anything does; returns now.

        Raises:
            MockhubError: if the clock is the system's.
        """
        clock, moment = self.manual_clock(), self.next_event()
        if moment is not None:
            clock.set(moment)
        return self.settle()

    def manual_clock(self) -> ManualClock:
        """The clock, to be moved; raises MockhubError if it is the system's."""
        if isinstance(self.clock, ManualClock):
            return self.clock
        raise MockhubError(f"the clock of the hub {self.name!r} is the system's: make it manual")

    def use_clock(self, clock: Clock) -> None:
        """Live by another clock from now on.

        Raises:
            MockhubError: if it stands before the one until now.
        """
        if clock.now() < self.clock.now():
            raise MockhubError(
                f"it is {to_text(self.clock.now())} in the hub {self.name!r}; "
                f"a clock at {to_text(clock.now())} would turn time back"
            )
        self._wind(clock)
        self._tell()

    def _wind(self, clock: Clock) -> None:
        self.clock.listeners.remove(self._tell)
        clock.listeners.append(self._tell)
        self.clock = clock

    def finish(self, id: str, *, failed: bool = False) -> Generation:
        """End a running generation by hand; raises KeyError if there is no such."""
        now = self.settle()
        generation = self.generations[id]
        return generation if generation.ended else self._end(generation, now, failed=failed)

    def _polled(self, generation: Generation, now: int) -> Generation:
        generation = generation._replace(polls=generation.polls + 1)
        self.generations[generation.id] = generation
        if generation.polls == generation.outcome.polls:
            return self._end(generation, now, failed=False)
        return generation

    def _end(self, generation: Generation, now: int, *, failed: bool) -> Generation:
        changes = settle(generation, now, failed=failed)
        self._commit(self.accounts[generation.account], changes)
        if changes.entries:
            self._expire(now)  # a refund to a lot that has expired expires with it
        self._tell()
        return changes.generation

    def _tell(self) -> None:
        for listener in tuple(self.listeners):
            listener()

    def _commit(self, account: Account, changes: Changes) -> None:
        for entry in changes.entries:
            account.apply(entry)
        generation = changes.generation
        self.generations[generation.id] = generation

    def _remember(self, generation: Generation) -> None:
        self._order.append(generation.id)
        if generation.ended_at is None:
            self._agenda.add(generation.due, generation.id)
            self._tell()
        if len(self._order) > self.keep:
            self._let_go()

    def _let_go(self) -> None:
        id = self._order.popleft()
        if self.generations[id].ended:
            del self.generations[id]
        else:
            self._order.append(id)

    def _expire(self, now: int) -> None:
        for account in self.accounts.values():
            account.expire(now)

    def _too_poor(self, account: Account, request: Request, quote: Quote) -> ApiError:
        code = "insufficientCredits"
        told = f"{account.balance} left, {quote.unit * request.n} needed"
        return self.law.errors.refusal(code, f"{self.law.errors.messages[code]}: {told}")

    # -- the law of the house --------------------------------------------------------------------

    def audit(self) -> list[str]:
        """What is wrong with the books, as sentences; empty if every entry and balance agrees."""
        return list(books.audit(self.accounts.values(), self.generations))

    # -- copies ----------------------------------------------------------------------------------

    def fork(self, name: str) -> Hub:
        """The same world under another name; what happens in one is not seen in the other."""
        twin = Hub(name, self.law, clock=forked(self.clock))
        self._copy_to(twin)
        return twin

    def remember_start(self) -> None:
        """Let the world as it stands now be what `reset` comes back to."""
        self._start = self.fork(self.name)

    def reset(self) -> None:
        """Come back to the start, with an empty journal; who waits is let go.

        Raises:
            MockhubError: if no start was remembered.
        """
        if self._start is None:
            raise MockhubError(f"the hub {self.name!r} remembers no start to come back to")
        self._start._copy_to(self)
        self._wind(forked(self._start.clock))
        self.journal = Journal()
        self.end()

    def end(self) -> None:
        """Let everybody go who waits in this life of the hub."""
        self.life += 1
        self._tell()

    def moved(self) -> dict[Kind, int]:
        """The credits granted, charged, refunded and expired since the start."""
        before = self._start.accounts.values() if self._start else ()
        return books.moved(before, self.accounts.values())

    def _copy_to(self, twin: Hub) -> None:
        twin.keep, twin.image_format = self.keep, self.image_format
        twin.ids = Ids(self.ids.seed, used=self.ids.used)
        twin.accounts = {id: account.copy() for id, account in self.accounts.items()}
        twin.keys = dict(self.keys)
        twin.generations = dict(self.generations)
        twin.provider, twin.faults = self.provider.copy(), self.faults.copy()
        twin._order, twin._agenda = self._order.copy(), self._agenda.copy()

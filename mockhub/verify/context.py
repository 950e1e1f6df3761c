"""The stage: what has been made on the implementation so far, each generation paid for once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple, TypeVar, cast

from mockhub.verify import oracle, polling, state_handlers
from mockhub.verify.assertions import expect, find_balance, require_response
from mockhub.verify.clauses import DOCUMENTED
from mockhub.verify.client import BudgetedClient, RawKey
from mockhub.verify.exchange import Exchange
from mockhub.verify.fixtures import DOCUMENTED_SIZES, FIXTURES
from mockhub.verify.generation import ObservedGeneration, as_int, json_object
from mockhub.verify.multipart import to_form_text
from mockhub.verify.outcomes import CheckOutcome, Inconclusive, OverBudget, Skipped
from mockhub.verify.parallel import parallel
from mockhub.verify.profile import Profile
from mockhub.verify.sending import create_generation

T = TypeVar("T")

SLOW_SECONDS = 0.5  # a synchronous generation or a task that takes longer is not waited for alone
_TIME_LIMIT_SECONDS = 20.0
_SLOW_RESPONSE_SECONDS, _MAX_CONCURRENT = 0.05, 6
_REFUND_TIMEOUT = 3.0  # seconds that a refund may take to be seen, if a task may take as long


class NoChargeRecord(NamedTuple):
    """Something that should have cost nothing."""

    description: str
    role: str
    balance_before: int
    balance_after: int
    exchange: Exchange  # the last one of it


class CheckContext:
    """Makes generations on demand and remembers them; the checks share one stage."""

    def __init__(self, client: BudgetedClient, level: str, seed: int) -> None:
        self.client = client
        self.profile: Profile = client.profile
        self.level = level
        self.seed = seed
        self.starting_balances: dict[str, int] = {}  # credits by role before the first generation
        self.generation_groups: list[list[ObservedGeneration]] = []  # created at the same time
        self.concurrent_payment_start: int | None = None  # credits of low before it was spent
        self._memoized: dict[str, object] = {}
        self._generations: dict[str, ObservedGeneration | CheckOutcome] = {}
        self.history: list[ObservedGeneration] = []
        self.no_charge_checks: list[NoChargeRecord] = []
        self._body_count = 0
        self._balance_reads: dict[str, Exchange] = {}  # the last reading of the credits by role
        self._started_at = time.monotonic()
        self._state_handler = (
            state_handlers.load_state_handler(self.profile.state_handlers)
            if self.profile.state_handlers
            else None
        )

    @property
    def documented(self) -> bool:
        return self.level == DOCUMENTED

    @property
    def timed_out(self) -> bool:
        """Whether a slow implementation has taken so long that nothing random is begun any more."""
        return time.monotonic() - self._started_at > _TIME_LIMIT_SECONDS

    @property
    def is_slow(self) -> bool:
        """Whether answers take so long that what does not depend on each other is sent together."""
        first = sorted(exchange.seconds for exchange in self.client.exchanges[:5])
        return len(first) == 5 and first[2] > _SLOW_RESPONSE_SECONDS

    def run_batch(
        self, calls: Sequence[Callable[[], Exchange]], *, cost: int = 0
    ) -> Iterator[Exchange]:
        """What *calls* give, in their order; one after the other where answers come quickly.

        *cost* is what each may cost at the worst, in credits.
        """
        budget, batch_size = self.client.budget, 1
        if self.is_slow:
            if _MAX_CONCURRENT * cost > budget.remaining:
                budget.settle()
            batch_size = max(
                1, min(_MAX_CONCURRENT, budget.remaining // cost if cost else _MAX_CONCURRENT)
            )
        for start in range(0, len(calls), batch_size):
            yield from parallel(calls[start : start + batch_size])

    def memoize(self, name: str, factory: Callable[[], T]) -> T:
        """Call *factory* once and return its result; an outcome that it raised is raised again."""
        if name not in self._memoized:
            try:
                self._memoized[name] = factory()
            except CheckOutcome as outcome:
                self._memoized[name] = outcome
        found = self._memoized[name]
        if isinstance(found, CheckOutcome):
            raise found
        return cast(T, found)

    def model_list(self) -> Exchange:
        """The response to GET /api/v1/models without a key, fetched once."""
        return self.memoize("models", lambda: self.client.get("models", key=None))

    # Credits

    def credits(self, role: str = "valid") -> int:
        """What the account of *role* has now."""
        exchange = self._balance_reads[role] = self.client.get("credits", key=role)
        return find_balance(expect(exchange, 200), exchange)

    def credits_or_none(self, role: str = "valid") -> int | None:
        try:
            return self.credits(role)
        except (OverBudget, Skipped):
            raise
        except CheckOutcome:
            return None

    def wait_for_credits(self, expected: int, role: str = "valid") -> int | None:
        """The credits as soon as they are *expected*, or what they are when patience is over."""
        pause, deadline = 0.02, time.monotonic() + min(_REFUND_TIMEOUT, self.profile.poll_timeout)
        while True:
            found = self.credits_or_none(role)
            if found == expected or found is None or time.monotonic() > deadline:
                return found
            time.sleep(pause)
            pause = min(pause * 2, 0.4)

    def starting_balance(self, role: str) -> int:
        """What the account of *role* had at the beginning."""
        if role not in self.starting_balances:
            self.starting_balances[role] = self.credits(role)
        return self.starting_balances[role]

    def credits_lost(self) -> int | None:
        """Credits that have left all accounts together, or None if one cannot be read."""
        total = 0
        for role, start in self.starting_balances.items():
            now = self.credits_or_none(role)
            if now is None:
                return None
            total += max(0, start - now)
        return total

    @contextmanager
    def expect_no_charge(self, description: str, role: str = "valid") -> Iterator[None]:
        """Note whether the credits of *role* are the same after what is done within (LED-1)."""
        before = self._current_credits(role) if role in self.starting_balances else None
        try:
            yield
        finally:
            if before is not None and (after := self.credits_or_none(role)) is not None:
                self.no_charge_checks.append(
                    NoChargeRecord(description, role, before, after, self.client.exchanges[-2])
                )

    def _current_credits(self, role: str) -> int | None:
        """The credits of *role*, read anew if anything but a GET was sent since the last time."""
        exchanges = self.client.exchanges
        for exchange in reversed(exchanges):
            if exchange.request.method != "GET":
                break
            if exchange.status == 200 and exchange is self._balance_reads.get(role):
                return find_balance(expect(exchange, 200), exchange)
        return self.credits_or_none(role)

    def request_body(self, **changes: Any) -> dict[str, Any]:
        """An ordinary request with *changes*; a change to `...` leaves the field out."""
        self._body_count += 1
        prompt = f"A paper boat, {self.seed}-{self._body_count}"
        defaults = {"model": oracle.MODEL, "prompt": prompt, "size": "1024x1024", "n": 1}
        return {name: value for name, value in {**defaults, **changes}.items() if value is not ...}

    def form_fields(self, **changes: Any) -> dict[str, str]:
        """The same as the texts of a form."""
        return {name: to_form_text(value) for name, value in self.request_body(**changes).items()}

    def has_unexpected_acceptance(self) -> bool:
        """Whether requests with the valid key were accepted that are no generations of ours."""
        authorization = f"Bearer {self.profile.keys['valid']}"
        accepted = [
            exchange
            for exchange in self.client.exchanges
            if exchange.request.method == "POST"
            and exchange.status in (200, 202)
            and exchange.request.headers.get("Authorization") in (authorization, None)
        ]
        return len(accepted) > sum(generation.accepted for generation in self.history)

    def record_cost(self, exchanges: Sequence[Exchange]) -> None:
        """Tell the meter what answers say that they cost."""
        for exchange in exchanges:
            usage = json_object(exchange).get("usage")
            credits = as_int(usage.get("credits")) if isinstance(usage, dict) else None
            if exchange.status == 200 and credits:
                self.client.budget.release(
                    self.client.budget.reserve_unchecked(0), reported_cost=credits
                )

    # States that a provision makes

    def provider_state(self, name: str, result_key: str, **params: Any) -> str:
        """A *fact* of a state that the profile's provision makes, made once."""
        return self.memoize(
            f"state {name} {params}",
            lambda: state_handlers.call_state_handler(
                self._state_handler, name, result_key, **params
            ),
        )

    def state_key(self, name: str, **params: Any) -> RawKey:
        """A key that the provision makes; reports show it as a variable."""
        raw = self.provider_state(name, "key", **params)
        self.client.redact(raw, f"$MOCKHUB_KEY_{name.upper()}")
        return RawKey(raw)

    # Generations

    def generation(self, name: str) -> ObservedGeneration:
        """The generation of a recipe, made now if it is not there yet."""
        if name not in self._generations:
            self._generate_all([name])
        found = self._generations[name]
        if isinstance(found, CheckOutcome):
            raise found
        return found

    def completed(self, name: str) -> ObservedGeneration:
        """A generation that was accepted and, if it was a task, has ended."""
        generation = self.generation(name)
        require_response(generation.exchange)
        if not generation.accepted:
            raise Inconclusive(
                f"the generation that this needs was answered {generation.exchange.status}",
                generation.exchange,
            )
        if generation.exchange.status == 202 and not generation.finished:
            raise Inconclusive("the task that this needs did not end", *generation.polls[-1:])
        return generation

    def accepted(self, name: str) -> ObservedGeneration:
        """A generation that succeeded; sizes beyond the page's two may be refused."""
        generation = self.generation(name)
        if generation.exchange.status == 400 and generation.size not in DOCUMENTED_SIZES:
            raise Skipped(f"the size {generation.size} is not offered here", generation.exchange)
        return self.completed(name)

    def prefetch(self, names: Sequence[str], *, asynchronous: bool) -> None:
        """On a slow implementation, make what will be needed side by side."""
        group = [
            name
            for name in names
            if name not in self._generations
            and bool(FIXTURES[name].asynchronous) is asynchronous
            and (asynchronous or not FIXTURES[name].trigger)
        ]
        if len(group) > 1:
            self._generate_all(group)

    def _generate_all(self, names: Sequence[str]) -> None:
        """Make several at once; what one costs is then known only of all together."""
        measured_alone = len(names) == 1
        before, other_balance = self._read_balances()
        if measured_alone:
            self._generate_one(names[0], before)
        else:
            parallel([partial(self._generate_one, name, None) for name in names])
        group = [
            generation
            for name in names
            if isinstance(generation := self._generations[name], ObservedGeneration)
        ]
        for generation in group:
            (
                generation.balance_before,
                generation.measured_alone,
                generation.other_balance_before,
            ) = before, measured_alone, other_balance
        if group:
            self._record_balances(group, before)
            self.generation_groups.append(group)

    def _record_balances(self, group: list[ObservedGeneration], before: int | None) -> None:
        """Read what is left: at once after an answer, as soon as a refund is seen after a task."""
        expected = (before or 0) - sum(generation.reported_cost or 0 for generation in group)
        refunds = any(
            generation.fixture.trigger or generation.exchange.status == 202 for generation in group
        )
        after, other_balance = self._read_balances()
        if refunds and after != expected:
            after = self.wait_for_credits(expected)
        for generation in group:
            generation.balance_after, generation.other_balance_after = after, other_balance
            if generation.finished:
                generation.polls += [self.fetch(generation), self.fetch(generation)]
        if any(generation.finished for generation in group):
            balance_on_reread = self.credits_or_none()
            for generation in group:
                generation.balance_on_reread = balance_on_reread

    def _read_balances(self) -> tuple[int | None, int | None]:
        """What the payer has, and what another user has."""
        roles = ["valid", *(["other"] if "other" in self.profile.keys else [])]
        balances = parallel([partial(self.credits_or_none, role) for role in roles])
        return balances[0], balances[1] if len(balances) > 1 else None

    def _generate_one(self, name: str, before: int | None) -> None:
        try:
            generation = create_generation(self.client, name)
            self._generations[name] = generation
            self.history.append(generation)
        except CheckOutcome as outcome:
            self._generations[name] = outcome
            return
        reservation = self.client.budget.reserve_unchecked(
            oracle.price(generation.size, generation.n) if generation.accepted else 0
        )
        if generation.exchange.status == 202 and generation.id:
            if name == "example_async":
                polling.read_as_others(self.client, generation)
            polling.poll_until_final(self.client, generation)
        self.client.budget.release(reservation, reported_cost=generation.reported_cost or 0)

    def adopt_task(self, generation: ObservedGeneration) -> None:
        """Take a task in that was submitted elsewhere, and poll it until it has ended."""
        self.history.append(generation)
        reservation = self.client.budget.reserve_unchecked(
            oracle.price(generation.size, generation.n)
        )
        if generation.id and generation.exchange.status == 202:
            polling.poll_until_final(self.client, generation)
        self.client.budget.release(reservation, reported_cost=generation.reported_cost or 0)

    def fetch(self, generation: ObservedGeneration, role: str = "valid") -> Exchange:
        """GET a generation, at its poll_url where that leads to this implementation."""
        return polling.fetch(self.client, generation, role)

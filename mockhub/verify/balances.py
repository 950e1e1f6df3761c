"""Read the balances of the accounts, and record what requests change in them."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import accumulate, pairwise
from typing import NamedTuple, TypeVar

from mockhub.verify.assertions import expect, find_balance
from mockhub.verify.client import BudgetedClient
from mockhub.verify.exchange import Exchange
from mockhub.verify.generation import ObservedGeneration, reported_credits
from mockhub.verify.outcomes import CheckOutcome, OverBudget, Skipped
from mockhub.verify.threads import parallel

T = TypeVar("T")

_ACCEPTED = 202
_STILL_PAUSES = (0.4, 0.6, 0.8)  # seconds, to see whether another client spends
_SLOW_RESPONSE_SECONDS = 0.05
_MAX_BATCH, _MAX_CONCURRENT_READS = 48, 12  # independent requests, and those at the same time
_REFUND_TIMEOUT = 3.0  # seconds until a refund is visible; less if poll_timeout is less
_SHORTER = 4  # after a refund that did not become visible, the next ones have a fraction of it


class NoChargeRecord(NamedTuple):
    """The balance around requests that should cost nothing; *exchange* is the last of them."""

    description: str
    role: str
    balance_before: int
    balance_after: int
    exchange: Exchange


class Balances:
    """Reads balances with the client of a run.

    Attributes:
        starting_balances: Credits by role before the first generation.
        no_charge_checks: The balances around requests that should cost nothing.
        balance_reads: The last read of the credits, by role.
        settled_balances: Credits of roles that pay for nothing any more.
    """

    def __init__(self, client: BudgetedClient) -> None:
        self.client = client
        self.profile = client.profile
        self.starting_balances: dict[str, int] = {}
        self.no_charge_checks: list[NoChargeRecord] = []
        self.balance_reads: dict[str, Exchange] = {}
        self.settled_balances: dict[str, int] = {}
        self._foreign_change: str | None = None
        self._refund_missing = False

    @property
    def is_slow(self) -> bool:
        """Whether responses take so long that independent requests are sent in parallel."""
        first = sorted(exchange.seconds for exchange in self.client.exchanges[:5])
        return len(first) > 1 and first[(len(first) - 1) // 2] > _SLOW_RESPONSE_SECONDS

    def run_batch(self, calls: Sequence[Callable[[], T]]) -> Iterator[T]:
        """Yield the results of *calls* in order; they run in parallel if responses are slow."""
        size = _MAX_BATCH if self.is_slow else 1
        for start in range(0, len(calls), size):
            yield from parallel(calls[start : start + size], _MAX_CONCURRENT_READS)

    def read_roles(
        self, roles: Mapping[str, str], read: Callable[[str], int | None]
    ) -> dict[str, int | None]:
        """Return the credits of each role or key in *roles*, by its name."""
        reads = self.run_batch([partial(read, role) for role in roles.values()])
        return dict(zip(roles, reads, strict=True))

    def affordable_count(self, costs: Sequence[int]) -> int:
        """Return how many requests the budget covers at the same time, at least one."""
        budget = self.client.budget
        if sum(costs) > max(budget.remaining, 0):
            budget.settle()
        remaining = max(budget.remaining, 0)
        return max(1, sum(total <= remaining for total in accumulate(costs)))

    def credits(self, role: str = "valid") -> int:
        """Return the current credits of *role*."""
        exchange = self.balance_reads[role] = self.client.get("credits", key=role)
        return find_balance(expect(exchange, 200), exchange)

    def last_balance(self, role: str) -> int | None:
        """Return the last known credits of *role*, unless it may have paid since they were read."""
        authorization = f"Bearer {self.profile.keys[role]}"
        for exchange in reversed(self.client.exchanges):
            if exchange.request.headers.get("Authorization") != authorization:
                continue
            if exchange.request.url.endswith("/credits") and exchange.status == 200:
                return find_balance(exchange.json_object, exchange)
            if exchange.request.method == "POST" and not 400 <= exchange.status < 500:
                return None
        return None

    def credits_or_none(self, role: str = "valid") -> int | None:
        """Return the current credits of *role*, or None if they cannot be read, asked twice."""
        for _ in range(2):
            try:
                return self.credits(role)
            except (OverBudget, Skipped):
                raise
            except CheckOutcome:
                continue
        return None

    def wait_for_credits(self, expected: int, role: str = "valid") -> int | None:
        """Read the credits until they are *expected* or the time is over; return the last read."""
        timeout = min(_REFUND_TIMEOUT, self.profile.poll_timeout)
        timeout /= _SHORTER if self._refund_missing else 1
        pause, deadline = 0.02, time.monotonic() + timeout
        while True:
            credits = self.credits_or_none(role)
            if credits == expected or credits is None:
                return credits
            if time.monotonic() > deadline:
                self._refund_missing = True
                return credits
            time.sleep(pause)
            pause = min(pause * 2, 0.4)

    def read_balances(self, roles: Collection[str] = ("",)) -> bool:
        """Read the credits of *roles*, or of all if one of them is "".

        Return whether there are any and all of them can be read. A key without an account, such as
        a revoked one, stands for `valid`.
        """
        payers = {role if role in self.starting_balances else role and "valid" for role in roles}
        roles = [role for role in self.starting_balances if role in payers or "" in payers]
        balances = list(self.run_batch([partial(self.credits_or_none, role) for role in roles]))
        return bool(balances) and None not in balances

    def _read_all(self) -> dict[str, int | None]:
        """Read the balances one by one, as a read beside others may return the wrong one."""
        return {role: self.credits_or_none(role) for role in self.starting_balances}

    def foreign_change(self) -> str | None:
        """Stand still and describe a balance that changes meanwhile, or return None.

        If none does, the implementation itself has made the changes so far.
        """
        if self._foreign_change is None:
            self._foreign_change = self._find_foreign_change()
            self.client.idle_changes = 0
        return self._foreign_change

    def _find_foreign_change(self) -> str | None:
        reads = []
        for pause in (0.0, 0.0, 0.0, *_STILL_PAUSES):
            time.sleep(pause)
            reads.append(self._read_all())
        at_once, waiting = reads[:3], reads[2:]
        if all(before != after for before, after in pairwise(at_once)) and (
            _largest_change(waiting) <= _largest_change(at_once)
        ):
            return None  # it is the reads that cost something, however long we wait between them
        for before, after in pairwise(reads[1:]):  # the first may follow a read of another role
            for role in before:
                if before[role] != after[role]:
                    return f"the balance of {role} went from {before[role]} to {after[role]}"
        return None

    @contextmanager
    def in_progress(self, generation: ObservedGeneration) -> Iterator[None]:
        """Expect a task to change the balance at any moment within; then report what it cost."""
        budget = self.client.budget
        credits = generation.max_cost if generation.exchange.status == _ACCEPTED else 0
        reservation = budget.reserve_task(credits, generation.exchange.started)
        try:
            yield
        finally:
            budget.release(reservation, reported_cost=generation.reported_cost or 0)

    @contextmanager
    def expect_no_charge(self, description: str, role: str = "valid") -> Iterator[None]:
        """Record the credits of *role* before and after the block, for LED-1."""
        before = self.current_credits(role) if role in self.starting_balances else None
        try:
            yield
        finally:
            last = self.client.exchanges[-1]
            if before is not None and (after := self.credits_or_none(role)) is not None:
                self.no_charge_checks.append(NoChargeRecord(description, role, before, after, last))

    def current_credits(self, role: str) -> int | None:
        """Return the credits of *role*; read them again if a POST or a poll followed the last read.

        A poll may end a task. A POST of `broke`, which cannot pay, is sent beside others.
        """
        exchanges = self.client.exchanges
        unpaid = f"Bearer {self.profile.keys.get('broke')}"
        for exchange in reversed(exchanges):
            is_unpaid = exchange.request.headers.get("Authorization") == unpaid
            is_poll = "/generations/" in exchange.request.url
            if is_poll or (exchange.request.method != "GET" and not is_unpaid):
                break
            if exchange.status == 200 and exchange is self.balance_reads.get(role):
                return find_balance(expect(exchange, 200), exchange)
        return self.credits_or_none(role)

    def record_cost(self, exchanges: Sequence[Exchange]) -> None:
        """Report to the budget what responses say that they cost."""
        for exchange in exchanges:
            credits = reported_credits(exchange.json_object)
            if exchange.status == 200 and credits:
                self.client.budget.release(
                    self.client.budget.reserve_task(0, exchange.started), reported_cost=credits
                )


def _largest_change(reads: Sequence[Mapping[str, int | None]]) -> int:
    """Return by how much a balance of any role has changed from one read to the next."""
    return max(
        abs((after[role] or 0) - (before[role] or 0))
        for before, after in pairwise(reads)
        for role in before
    )

"""The credit budget of a run: each request reserves its worst case before it is sent."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from threading import Condition, RLock, get_ident
from time import perf_counter

from mockhub.verify.outcomes import OverBudget


class Budget:
    """A budget in credits.

    The worst case of a request is reserved before it is sent, and stays reserved until the balances
    have been read; that of a task until it has ended, too. The balance of its payer is read before
    the next request that might cost something. Once more credits have left the balances than the
    accepted requests may cost, nothing is paid for any more: the overshoot is at most what that one
    request cost.

    Attributes:
        limit: The credits that may be spent.
        unknown: The worst case of requests whose cost could not be read from a balance.
        read_balance: Reads the balance of a role, which calls `observe`.
        read_balances: Reads the balances of roles, or all if one of them is "", and returns whether
            that was possible.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.unknown = 0
        self.read_balance: Callable[[str], object] = lambda role: None
        self.read_balances: Callable[[Collection[str]], bool] = lambda roles: False
        self._highest: dict[str, int] = {}  # balances, by role
        self._latest: dict[str, int] = {}
        self._observed = 0  # what has left the balances
        self._reported = 0
        self._overcharge = 0
        self._requests: dict[int, int] = {}  # reservations of requests in progress, by id
        self._tasks: dict[int, int] = {}  # reservations of tasks in progress, by id
        self._accepted = 0  # reservations of requests that were not rejected
        # Reservations of requests that have ended, and those of them that the balances have freed.
        self._ended, self._ended_rejections = 0, 0
        self._freed, self._freed_rejections = 0, 0
        self._ended_payers: dict[str, int] = {}  # `_ended` after the last of a payer; "": unknown
        self._settling, self._settling_ended = 0, 0  # reads of balances, and `_ended` at the last
        self._settled = 0  # `_observed` when all balances were last read
        # `_observed`, `_accepted` and the time when the balances were last read without a task in
        # progress.
        self._idle_observed, self._idle_accepted, self._idle_at = 0, 0, 0.0
        self._unread: set[str] = set()  # roles that may have paid since their balance was read
        self._last_id = 0
        self._threads: dict[int, int] = {}  # that have sent these requests
        self._lock, self._reserving = RLock(), RLock()
        self._changed = Condition(self._lock)

    @property
    def observed(self) -> int:
        """Credits that were seen to leave the balances."""
        return self._observed

    @property
    def unconfirmed(self) -> int:
        """Credits that responses reported or requests may have cost, but no balance confirms."""
        # The worst case of a task is in `unknown` twice, as a request and in progress.
        unknown = min(self.unknown, max(self.limit - self._observed, 0))
        return max(unknown, self._reported - self._observed, 0)

    @property
    def spent(self) -> int:
        """Credits that left the balances, or that responses reported if that is more."""
        return max(self._observed, self._reported)

    @property
    def reserved(self) -> int:
        """Credits reserved for requests and tasks in progress."""
        with self._lock:
            return sum(self._requests.values()) + sum(self._tasks.values())

    @property
    def remaining(self) -> int:
        """Credits that may still be reserved."""
        with self._lock:
            if self._overcharge:
                return 0
            spent = max(self.spent, self._observed + self.unknown)
            pending = self._unsettled + self.reserved
            return self.limit - max(self.spent, min(spent + pending, self._most_since_idle()))

    @property
    def _unsettled(self) -> int:
        return self._ended - self._freed

    @property
    def _unsettled_rejections(self) -> int:
        return self._ended_rejections - self._freed_rejections

    def _most_since_idle(self) -> int:
        """Return the most that may be spent, counting what was charged and is in progress once."""
        accepted = self._accepted - self._idle_accepted
        requests = self._unsettled_rejections + sum(self._requests.values())
        return self._idle_observed + self.unknown + accepted + requests

    def reserve(self, credits: int) -> int:
        """Reserve the worst case of a request and return the id of the reservation.

        Raises:
            OverBudget: if the budget does not cover it, or a request has cost more than it may.
        """
        while True:
            with self._reserving:  # others wait until the payers have been read
                self._read_payers()
                with self._lock:
                    if not self._can_wait_for(credits):
                        self._require(credits)
                        self._threads[self._last_id + 1] = get_ident()
                        return self._add(self._requests, credits)
            self._settle_or_wait(credits)

    def _can_wait_for(self, credits: int) -> bool:
        """Return whether *credits* are not left, but a read of the balances may free some."""
        if self._overcharge or credits <= max(self.remaining, 0):
            return False
        return self._unsettled > 0 or self._others_in_progress()

    def _settle_or_wait(self, credits: int) -> None:
        """Settle, or wait until a request has ended or other threads have settled."""
        with self._lock:
            if not self._can_wait_for(credits):
                return
            ended = self._ended - self._settling_ended
            # Up to four reads of the balances overlap, if each next one frees much more.
            if self._settling > 3 or ended < (self.limit // 8 if self._settling else 1):
                self._changed.wait()
                return
        self.settle()

    def _others_in_progress(self) -> bool:
        return any(thread != get_ident() for thread in self._threads.values())

    def _require(self, credits: int) -> None:
        if self._overcharge:
            raise OverBudget(
                f"not sent: {self._overcharge} credits more have left the balances than the "
                "requests may cost; either the server charges too much, or another client "
                "spends from these accounts"
            )
        if credits > (remaining := max(self.remaining, 0)):
            raise OverBudget(
                f"not sent: it may cost {credits} credits, and {remaining} "
                f"are left of the budget of {self.limit}"
            )

    @contextmanager
    def reservation(self, credits: int, payer: str) -> Iterator[None]:
        """Reserve what the requests of the block together may cost *payer*.

        Raises:
            OverBudget: as `reserve`.
        """
        reservation = self.reserve(credits)
        try:
            yield
        finally:
            self.release(reservation, rejected=True, payers=(payer,))

    def reserve_task(self, credits: int, requested_at: float) -> int:
        """Reserve what a task in progress may still cost, even beyond the budget."""
        with self._lock:
            if requested_at < self._idle_at:  # balances were read between its response and now
                self._idle_accepted -= credits
            return self._add(self._tasks, credits)

    def _add(self, reservations: dict[int, int], credits: int) -> int:
        self._last_id += 1
        reservations[self._last_id] = credits
        return self._last_id

    def release(
        self,
        reservation: int,
        *,
        reported_cost: int = 0,
        rejected: bool = False,
        payers: Collection[str] = (),
    ) -> None:
        """End a reservation.

        Args:
            reported_cost: What the response said it cost.
            rejected: Whether the response was an error of the client, which costs nothing.
            payers: The roles whose keys were sent.
        """
        with self._lock:
            credits = self._requests.pop(reservation, 0)
            self._threads.pop(reservation, None)
            self._changed.notify_all()
            self._ended += credits + self._tasks.pop(reservation, 0)
            self._ended_payers |= dict.fromkeys(payers or ("",), self._ended)
            self._reported += reported_cost
            if rejected:
                self._ended_rejections += credits
            else:
                self._accepted += credits
                self._unread.update(payers)

    def observe(self, role: str, credits: int) -> None:
        """Account for a balance that was read."""
        with self._lock:
            self._highest[role] = max(self._highest.get(role, credits), credits)
            self._latest[role] = credits
            self._unread.discard(role)
            self._observed = max(self._observed, self._lost)
            self._overcharge = max(self._overcharge, self._lost - self._allowed_loss())

    def is_overcharge(self, role: str, credits: int) -> bool:
        """Return whether a balance shows that more was charged than the requests may cost."""
        with self._lock:
            lost = self._latest.get(role, credits) - credits
            return self._lost + lost > self._allowed_loss()

    @property
    def _lost(self) -> int:
        """Credits that the balances lack, as they were last read."""
        return sum(max(self._highest[role] - left, 0) for role, left in self._latest.items())

    def _allowed_loss(self) -> int:
        """Return the most that all requests so far may have cost."""
        settled = max(self._accepted, self._settled)
        return settled + self._unsettled_rejections + sum(self._requests.values())

    def latest(self, role: str) -> int | None:
        """Return the last balance of *role* that was read."""
        return self._latest.get(role)

    def settle(self) -> None:
        """Read the balances and free what was reserved but not charged."""
        with self._lock:
            if not self._unsettled:
                return
            ended, payers = self._snapshot(), tuple(self._ended_payers)
            self._settling, self._settling_ended = self._settling + 1, self._ended
        try:
            self._free(*ended, readable=self.read_balances(payers))
        finally:
            with self._lock:
                self._settling -= 1
                if not self._settling:
                    self._settling_ended = self._freed  # less if the balances could not be read
                self._changed.notify_all()

    def finalize(self, *, readable: bool) -> None:
        """Free what the balances show not to be charged; if they are unreadable it is unknown."""
        with self._lock:
            self._free(*self._snapshot(), readable=readable)

    def _snapshot(self) -> tuple[int, int, frozenset[str]]:
        return self._ended, self._ended_rejections, frozenset(self._unread)

    def _free(
        self, ended: int, rejections: int, unread: Collection[str], *, readable: bool
    ) -> None:
        """Free what requests had reserved that ended before the balances were read."""
        with self._lock:
            self.unknown += 0 if readable else max(ended - self._freed, 0)
            self._freed = max(self._freed, ended)
            self._freed_rejections = max(self._freed_rejections, rejections)
            is_idle = readable and not self._unsettled and not self._tasks
            if is_idle:
                self._observed = self._lost  # less than before if something was refunded
            self._settled = self._observed
            self._unread.difference_update(unread)
            self._ended_payers = {role: at for role, at in self._ended_payers.items() if at > ended}
            if is_idle:
                self._idle_observed, self._idle_accepted = self._observed, self._accepted
                self._idle_at = perf_counter()

    def _read_payers(self) -> None:
        for role in tuple(self._unread):
            self._unread.discard(role)
            self.read_balance(role)

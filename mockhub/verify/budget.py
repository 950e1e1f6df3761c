"""The credit budget of a run: each request reserves its worst case before it is sent."""

from __future__ import annotations

from collections.abc import Callable
from threading import RLock

from mockhub.verify.outcomes import OverBudget


class Budget:
    """A budget in credits.

    The worst case of a request is reserved before it is sent, and stays reserved until the balances
    have been read. The credits spent are what left the balances or what responses reported,
    whichever is more.

    Attributes:
        limit: The credits that may be spent.
        read_credits_lost: Returns the credits that have left all accounts, None if unknown.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.read_credits_lost: Callable[[], int | None] = lambda: None
        self._reported = 0
        self._observed = 0  # what the balances had lost when they were last read
        self._reservations: dict[int, int] = {}  # of requests and tasks in progress, by id
        self._unsettled = 0  # of requests that ended after the balances were last read
        self._last_id = 0
        self._lock = RLock()

    @property
    def spent(self) -> int:
        """Credits that are known to be gone."""
        return max(self._observed, self._reported)

    @property
    def reserved(self) -> int:
        """Credits reserved for requests and tasks in progress."""
        with self._lock:
            return sum(self._reservations.values())

    @property
    def remaining(self) -> int:
        """Credits that may still be reserved."""
        with self._lock:
            return self.limit - self.spent - self._unsettled - self.reserved

    def reserve(self, credits: int) -> int:
        """Reserve the worst case of a request and return the id of the reservation.

        Raises:
            OverBudget: if the budget does not cover it.
        """
        with self._lock:
            if credits > self.remaining:
                self.settle()
            if credits > self.remaining:
                raise OverBudget(
                    f"not sent: it may cost {credits} credits, and {max(self.remaining, 0)} "
                    f"are left of the budget of {self.limit}"
                )
            return self.reserve_unchecked(credits)

    def reserve_unchecked(self, credits: int) -> int:
        """Reserve what a task in progress may still cost, even beyond the budget."""
        with self._lock:
            self._last_id += 1
            self._reservations[self._last_id] = credits
            return self._last_id

    def release(self, reservation: int, *, reported_cost: int = 0) -> None:
        """End a reservation; *reported_cost* is what the response said it cost."""
        with self._lock:
            self._unsettled += self._reservations.pop(reservation, 0)
            self._reported += reported_cost

    def settle(self) -> None:
        """Read the balances and free what was reserved but not charged."""
        with self._lock:
            if self._unsettled:
                self.finalize(self.read_credits_lost())

    def finalize(self, credits_lost: int | None) -> None:
        """Account for *credits_lost*, or for the worst case if the balances are unreadable."""
        with self._lock:
            if credits_lost is None:
                self._reported += self._unsettled
            else:
                self._observed = max(self._observed, credits_lost)
            self._unsettled = 0

"""The meter: what may still be spent, counted at the worst before a request leaves."""

from __future__ import annotations

from collections.abc import Callable
from threading import RLock

from mockhub.verify.outcomes import OverBudget


class Budget:
    """A budget in credits.

    A request's worst case is reserved before it is sent and stays reserved until the balances have
    been read; what counts as spent is the larger of what left the balances and what answers said.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.read_credits_lost: Callable[[], int | None] = lambda: None
        self._reported = 0
        self._observed = 0  # what the balances have lost, when last read
        self._reservations: dict[int, int] = {}  # reservations of requests and tasks under way
        self._unsettled = 0  # of requests that are over since the balances were read
        self._last_id = 0
        self._lock = RLock()

    @property
    def spent(self) -> int:
        """Credits that are known to be gone."""
        return max(self._observed, self._reported)

    @property
    def remaining(self) -> int:
        """Credits that may still be reserved."""
        with self._lock:
            return self.limit - self.spent - self._unsettled - sum(self._reservations.values())

    def reserve(self, credits: int) -> int:
        """Set the worst case of a request aside; returns its ticket.

        Raises:
            OverBudget: if the budget does not cover it.
        """
        with self._lock:
            if credits > self.remaining:
                self.settle()
            if credits > self.remaining:
                raise OverBudget(
                    f"not sent: it may cost {credits} credits, and {max(self.remaining, 0)} are left "  # noqa: E501
                    f"of the budget of {self.limit}"
                )
            return self.reserve_unchecked(credits)

    def reserve_unchecked(self, credits: int) -> int:
        """Set aside what a task under way may still take, whatever is left; returns its ticket."""
        with self._lock:
            self._last_id += 1
            self._reservations[self._last_id] = credits
            return self._last_id

    def release(self, reservation: int, *, reported_cost: int = 0) -> None:
        """Note that the request or task of *ticket* has ended, and what its answer said it cost."""
        with self._lock:
            self._unsettled += self._reservations.pop(reservation, 0)
            self._reported += reported_cost

    def settle(self) -> None:
        """Read the balances and let go of what was reserved and not taken."""
        with self._lock:
            if not self._unsettled:
                return
            credits_lost = self.read_credits_lost()
            if credits_lost is None:  # unreadable: count the worst
                self._reported += self._unsettled
            else:
                self._observed = max(self._observed, credits_lost)
            self._unsettled = 0

    def finalize(self, credits_lost: int | None) -> None:
        """Take in what the balances have lost, when nothing is under way any more."""
        with self._lock:
            if credits_lost is None:
                self._reported += self._unsettled
            else:
                self._observed = max(self._observed, credits_lost)
            self._unsettled = 0

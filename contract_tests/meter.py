"""The meter: what may still be spent, counted at the worst before a request leaves."""

from __future__ import annotations

from collections.abc import Callable
from threading import RLock

from .verdicts import OverBudget


class Meter:
    """A budget in credits.

    A request's worst case is reserved before it is sent and stays reserved until the balances have
    been read; what counts as spent is the larger of what left the balances and what answers said.
    """

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self.read_balances: Callable[[], int | None] = lambda: None
        self._claimed = 0
        self._seen = 0  # what the balances have lost, when last read
        self._open: dict[int, int] = {}  # reservations of requests and tasks under way
        self._unsettled = 0  # of requests that are over since the balances were read
        self._next = 0
        self._lock = RLock()

    @property
    def spent(self) -> int:
        """Credits that are known to be gone."""
        return max(self._seen, self._claimed)

    @property
    def left(self) -> int:
        """Credits that may still be reserved."""
        with self._lock:
            return self.budget - self.spent - self._unsettled - sum(self._open.values())

    def reserve(self, credits: int) -> int:
        """Set the worst case of a request aside; returns its ticket.

        Raises:
            OverBudget: if the budget does not cover it.
        """
        with self._lock:
            if credits > self.left:
                self.settle()
            if credits > self.left:
                raise OverBudget(
                    f"not sent: it may cost {credits} credits, and {max(self.left, 0)} are left "
                    f"of the budget of {self.budget}"
                )
            return self.hold(credits)

    def hold(self, credits: int) -> int:
        """Set aside what a task under way may still take, whatever is left; returns its ticket."""
        with self._lock:
            self._next += 1
            self._open[self._next] = credits
            return self._next

    def over(self, ticket: int, *, claimed: int = 0) -> None:
        """Note that the request or task of *ticket* has ended, and what its answer said it cost."""
        with self._lock:
            self._unsettled += self._open.pop(ticket, 0)
            self._claimed += claimed

    def settle(self) -> None:
        """Read the balances and let go of what was reserved and not taken."""
        with self._lock:
            if not self._unsettled:
                return
            lost = self.read_balances()
            if lost is None:  # unreadable: count the worst
                self._claimed += self._unsettled
            else:
                self._seen = max(self._seen, lost)
            self._unsettled = 0

    def note(self, lost: int | None) -> None:
        """Take in what the balances have lost, when nothing is under way any more."""
        with self._lock:
            if lost is None:
                self._claimed += self._unsettled
            else:
                self._seen = max(self._seen, lost)
            self._unsettled = 0

"""The price of a run before its first call, found by rehearsing it on a server of our own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from .checks import Check
from .meter import Meter
from .report import Report


class Plan(NamedTuple):
    """What a run is going to send and to cost."""

    requests: int
    expected: int  # credits, if the implementation conforms
    worst: int  # credits, if it accepted whatever it should refuse; the budget cuts that off
    needs: dict[str, int]  # by clause, the budget below which it is inconclusive

    def lines(self, budget: int) -> Iterator[str]:
        """The plan in sentences."""
        yield f"About {self.requests} requests."
        yield f"{self.expected} credits, if the implementation conforms."
        yield (
            f"{self.worst} credits, if it took money for whatever it should refuse; "
            f"but never more than the budget of {budget}."
        )
        for step in sorted({need for need in self.needs.values() if need}):
            names = [name for name, need in self.needs.items() if need == step]
            late = "  <- so they are with this budget" if step > budget else ""
            yield f"  below {step:>4} credits inconclusive: {', '.join(names)}{late}"


class Rehearsal(Meter):
    """A meter that forbids nothing and notes the budget that each check would have needed."""

    def __init__(self) -> None:
        super().__init__(budget=1_000_000)
        self.peak = 0
        self.total = 0

    def reserve(self, credits: int) -> int:
        with self._lock:
            if credits:
                self.peak = max(self.peak, self.spent + sum(self._open.values()) + credits)
                self.total += credits
            return super().reserve(credits)

    def settle(self) -> None:
        """Our own server's answers say what they cost; nothing has to be read."""
        self._unsettled = 0


def plan(report: Report, meter: Rehearsal, peaks: dict[str, int], checks: list[Check]) -> Plan:
    """Put a rehearsal's figures together: *peaks* by check, zero for what sends nothing paid."""
    needs: dict[str, int] = {}
    for check in checks:
        for name in check.clauses:
            needs[name] = max(needs.get(name, 0), peaks.get(check.name, 0))
    return Plan(report.requests, report.credits_spent, meter.total, needs)

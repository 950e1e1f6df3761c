"""The price of a run before its first call, found by rehearsing it on a server of our own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from mockhub.verify.budget import Budget
from mockhub.verify.check import Check
from mockhub.verify.reporters.report import Report


class Plan(NamedTuple):
    """What a run is going to send and to cost."""

    requests: int
    expected_credits: int  # credits, if the implementation conforms
    worst_case_credits: (
        int  # credits, if it accepted whatever it should refuse; the budget cuts that off
    )
    required_budgets: dict[str, int]  # by clause, the budget below which it is inconclusive

    def lines(self, budget: int) -> Iterator[str]:
        """The plan in sentences."""
        yield f"About {self.requests} requests."
        yield f"{self.expected_credits} credits, if the implementation conforms."
        yield (
            f"{self.worst_case_credits} credits, if it took money for whatever it should refuse; "
            f"but never more than the budget of {budget}."
        )
        for required in sorted({need for need in self.required_budgets.values() if need}):
            clause_ids = [name for name, need in self.required_budgets.items() if need == required]
            hint = "  <- so they are with this budget" if required > budget else ""
            yield f"  below {required:>4} credits inconclusive: {', '.join(clause_ids)}{hint}"


class DryRunBudget(Budget):
    """A meter that forbids nothing and notes the budget that each check would have needed."""

    def __init__(self) -> None:
        super().__init__(limit=1_000_000)
        self.peak = 0
        self.total_reserved = 0

    def reserve(self, credits: int) -> int:
        with self._lock:
            if credits:
                self.peak = max(self.peak, self.spent + sum(self._reservations.values()) + credits)
                self.total_reserved += credits
            return super().reserve(credits)

    def settle(self) -> None:
        """Our own server's answers say what they cost; nothing has to be read."""
        self._unsettled = 0


def build_plan(
    report: Report, budget: DryRunBudget, peaks_by_check: dict[str, int], checks: list[Check]
) -> Plan:
    """Put a rehearsal's figures together: *peaks* by check, zero for what sends nothing paid."""
    required_budgets: dict[str, int] = {}
    for check in checks:
        for clause_id in check.clauses:
            required_budgets[clause_id] = max(
                required_budgets.get(clause_id, 0), peaks_by_check.get(check.name, 0)
            )
    return Plan(report.requests, report.credits_spent, budget.total_reserved, required_budgets)

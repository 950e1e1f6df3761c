"""Predict the cost of a run by a dry run against our own mock."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from mockhub.verify.budget import Budget
from mockhub.verify.check import Check
from mockhub.verify.report import Report


class Plan(NamedTuple):
    """The requests and the cost of a run.

    Attributes:
        expected_credits: The cost if the implementation conforms.
        worst_case_credits: The cost if it accepted everything that it should reject, without a
            budget.
        required_budgets: By clause, the budget below which it is inconclusive.
    """

    requests: int
    expected_credits: int
    worst_case_credits: int
    required_budgets: dict[str, int]

    def lines(self, budget: int) -> Iterator[str]:
        """Describe the plan for a run with *budget* credits."""
        yield f"About {self.requests} requests."
        yield f"{self.expected_credits} credits, if the implementation conforms."
        yield (
            f"{self.worst_case_credits} credits, if it charged for everything that it should "
            f"reject; but never more than the budget of {budget}."
        )
        for required in sorted({need for need in self.required_budgets.values() if need}):
            clause_ids = [name for name, need in self.required_budgets.items() if need == required]
            hint = "  <- this budget is too small" if required > budget else ""
            yield f"  below {required:>4} credits inconclusive: {', '.join(clause_ids)}{hint}"


class DryRunBudget(Budget):
    """A budget without a limit that records what a run would need.

    Attributes:
        peak: The highest sum of spent and reserved credits since it was last reset.
        total_reserved: The sum of all reservations.
    """

    def __init__(self) -> None:
        super().__init__(limit=1_000_000)
        self.peak = 0
        self.total_reserved = 0

    def reserve(self, credits: int) -> int:
        with self._lock:
            if credits:
                self.peak = max(self.peak, self.spent + self.reserved + credits)
                self.total_reserved += credits
            return super().reserve(credits)

    def settle(self) -> None:
        """Skip reading the balances: our own mock reports every cost."""
        self.finalize(readable=True)

    def _read_payers(self) -> None:
        self._unread.clear()


def build_plan(
    report: Report, budget: DryRunBudget, peaks_by_check: dict[str, int], checks: list[Check]
) -> Plan:
    """Summarize a dry run; *peaks_by_check* are the peaks of the budget."""
    required_budgets: dict[str, int] = {}
    for check in checks:
        for clause_id in check.clauses:
            required_budgets[clause_id] = max(
                required_budgets.get(clause_id, 0), peaks_by_check.get(check.name, 0)
            )
    return Plan(report.requests, report.credits_spent, budget.total_reserved, required_budgets)

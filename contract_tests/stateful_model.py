"""The model of a random sequence: its generations, its expected balance and its failures."""

from __future__ import annotations

from dataclasses import dataclass, field

from mockhub.verify.context import CheckContext
from mockhub.verify.exchange import Exchange, JsonObject
from mockhub.verify.outcomes import CheckOutcome, Failed

_MAX_SHRINK_RUNS = 8  # attempts to shorten a failing sequence


@dataclass
class ExpectedBalance:
    """The balance that an account should have after what it has paid for."""

    initial: int
    spent: int = 0

    @property
    def balance(self) -> int:
        return self.initial - self.spent


@dataclass
class TrackedGeneration:
    """A generation of the sequence in the model.

    Attributes:
        pending: Whether it is a task that has not been seen ended.
        reservation: The budget's reservation for a task.
        last_body: The last final response, or {}.
    """

    id: str
    n: int
    exchange: Exchange
    pending: bool
    cost: int
    reservation: int = 0
    last_body: JsonObject = field(default_factory=dict)


@dataclass
class RunState:
    """The state that all sequences of a run share.

    Attributes:
        shortest_failure: The steps and the failure of the shortest failing sequence, and among
            equally short ones of the cheapest.
        failure_cost: What that sequence may have cost, in credits.
        inconclusive: Why a sequence could not be checked.
        paid_count: The generations that were paid for.
    """

    context: CheckContext
    shortest_failure: tuple[list[str], Failed] | None = None
    inconclusive: CheckOutcome | None = None
    failure_cost: int = 0
    shrink_attempts: int = 0
    paid_count: int = 0

    def record_failure(self, steps: list[str], failure: Failed, cost: int) -> None:
        best = self.shortest_failure
        if best is None or (len(steps), cost) < (len(best[0]), self.failure_cost):
            self.shortest_failure, self.failure_cost = (list(steps), failure), cost

    @property
    def exhausted(self) -> bool:
        """Whether nothing more should be sent."""
        return (
            self.inconclusive is not None
            or self.context.timed_out
            or (self.shortest_failure is not None and self.shrink_attempts > _MAX_SHRINK_RUNS)
        )

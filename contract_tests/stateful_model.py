"""The model of a random sequence: its generations, expected balances and failures."""

from __future__ import annotations

from dataclasses import dataclass, field

from mockhub.verify import oracle
from mockhub.verify.context import CheckContext
from mockhub.verify.exchange import Exchange, JsonObject
from mockhub.verify.outcomes import CheckOutcome, Failed

_MAX_SHRINK_RUNS = 20  # attempts to shorten a failing sequence
_MIN_PAID, _MIN_STEPS, _MAX_STEPS = 3, 10, 50  # of a sequence


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
        role: The user that has requested it.
        n: The images that it should deliver; 0 if the provider fails.
        cost: What it should cost in the end.
        max_cost: What it costs if all images are delivered.
        id: Its id, or "" if it was not sent because the budget does not cover it.
        pending: Whether it is a task that has not been seen ended.
        reservation: The budget's reservation for a task.
        last_body: The last final response, or {}.
    """

    number: int
    role: str
    n: int
    cost: int
    max_cost: int
    id: str = ""
    exchange: Exchange | None = None
    pending: bool = False
    reservation: int = 0
    last_body: JsonObject = field(default_factory=dict)

    @property
    def path(self) -> str:
        return f"generations/{self.id}"

    @property
    def evidence(self) -> list[Exchange]:
        return [self.exchange] if self.exchange else []


def paid_limit(context: CheckContext) -> int:
    """Return how many generations a sequence may pay for, of the credits that are left."""
    images = context.client.budget.remaining // oracle.min_price()
    return max(_MIN_PAID, images // (2 * context.examples))


@dataclass
class RunState:
    """The state that all sequences of a run share.

    Attributes:
        shortest_failure: The steps and the failure of the shortest failing sequence, and among
            equally short ones of the cheapest.
        failure_cost: What that sequence may have cost, in credits.
        inconclusive: Why a sequence could not be checked.
        paid_count: The generations that were paid for.
        max_paid: The generations that one sequence may pay for.
    """

    context: CheckContext
    shortest_failure: tuple[list[str], Failed] | None = None
    inconclusive: CheckOutcome | None = None
    failure_cost: int = 0
    shrink_attempts: int = 0
    paid_count: int = 0
    max_paid: int = _MIN_PAID

    @property
    def can_be_broke(self) -> bool:
        """Whether an account cannot pay for an image."""
        return self.context.starting_balances.get("broke", oracle.min_price()) < oracle.min_price()

    @property
    def max_steps(self) -> int:
        return min(_MIN_STEPS + 2 * (self.max_paid - _MIN_PAID), _MAX_STEPS)

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

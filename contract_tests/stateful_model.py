"""The model of a random sequence: its generations, expected balances and failures."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from mockhub.verify import oracle
from mockhub.verify.assertions import (
    assert_common_fields,
    assert_equal,
    assert_image_fields,
    error_code,
    require_field,
    require_response,
)
from mockhub.verify.client import BudgetedClient
from mockhub.verify.context import CheckContext
from mockhub.verify.exchange import Exchange, JsonObject
from mockhub.verify.fixtures import QUALITIES
from mockhub.verify.generation import is_final
from mockhub.verify.outcomes import CheckOutcome, Failed, Inconclusive

SIZES = ("1024x1024", "auto")
INFERRED_SIZES = ("1536x1024", "2048x2048", "3840x2160")  # of tiers that are inferred
INVALID_CHANGES: tuple[dict[str, object], ...] = (
    {"n": 0},
    {"n": 5},
    {"quality": "ultra"},
    {"model": "no-such-model"},
    {"size": "big"},
)
ROLES = st.sampled_from(("valid", "valid", "other"))  # two users; more of the sequence is of one
COUNTS = st.integers(1, 4)
FILES = st.sampled_from((("sunset.png",), (), ("sunset.jpg",), ("lossy.webp", "sunset.png")))
Mode = dict[str, Any]  # how a request is sent
MODES = st.fixed_dictionaries(
    {
        "form": st.booleans(),
        "task": st.booleans(),
        "quality": st.sampled_from(QUALITIES),
        "files": FILES,
    }
)
FIELDS = st.fixed_dictionaries({"n": COUNTS, "size": st.sampled_from((*SIZES, *INFERRED_SIZES))})

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


def release(client: BudgetedClient, generation: TrackedGeneration) -> None:
    """End the reservation of a task."""
    if generation.pending:
        generation.pending = False
        client.budget.release(generation.reservation)


def has_failed(client: BudgetedClient, generation: TrackedGeneration, exchange: Exchange) -> bool:
    """Return whether a failed task is read with 500, which is open."""
    if require_response(exchange).status != 500 or generation.n:
        return False
    if error_code(exchange) == "generationFailed":
        release(client, generation)
        return True
    return False


def wait_until_final(context: CheckContext, generation: TrackedGeneration) -> None:
    pause, deadline = 0.01, time.monotonic() + context.profile.poll_timeout
    while time.monotonic() < deadline:
        exchange = context.client.get(generation.path, key=generation.role)
        if has_failed(context.client, generation, exchange) or is_final(exchange):
            release(context.client, generation)
            return
        time.sleep(pause)
        pause = min(pause * 1.6, 1.0)
    raise Inconclusive("the task did not end", *generation.evidence)


def describe(mode: Mode) -> str:
    """Say how a request differs from a synchronous one in JSON."""
    form = f" in a form with {len(mode['files'])} files" if mode["form"] else ""
    return f"{' as a task' if mode['task'] else ''}{form}, quality {mode['quality']}"


def assert_unchanged(before: JsonObject, body: JsonObject, exchange: Exchange) -> None:
    for name in ("status", "aspect_ratio", "quality"):
        assert_equal(body.get(name), before.get(name), f"{name} when read again", exchange)
    images = _image_ids(body)
    assert_equal(images, _image_ids(before), "the images when read again", exchange)


def _image_ids(body: JsonObject) -> list[object]:
    images = body.get("images")
    ids = [image.get("id") for image in images] if isinstance(images, list) else []
    return sorted(ids, key=str)  # their order is an open point


def assert_delivered(generation: TrackedGeneration, body: JsonObject, exchange: Exchange) -> None:
    """Require the images and the cost of a generation that has ended."""
    assert_common_fields(body, exchange)
    if generation.cost == generation.max_cost:  # how a partial delivery is called is open
        assert_equal(body["status"], "succeeded", "status", exchange)
    images = require_field(body, "images", list, exchange)
    assert_equal(len(images), generation.n, "the number of images", exchange)
    assert_image_fields(images, exchange)
    credits = require_field(body, "usage.credits", int, exchange)
    assert_equal(credits, generation.cost, "usage.credits", exchange)

"""Random sequences of requests, held to the suite's own books; a failing one is made short."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import HypothesisException
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from mockhub.verify import oracle
from mockhub.verify.assertions import (
    assert_common_fields,
    assert_equal,
    assert_image_fields,
    error_code,
    expect,
    expect_error,
    require_field,
    require_response,
)
from mockhub.verify.context import CheckContext
from mockhub.verify.exchange import Exchange
from mockhub.verify.generation import is_final
from mockhub.verify.outcomes import CheckOutcome, Failed, Inconclusive, OverBudget, Skipped

MAX_EXAMPLES, MAX_STEPS = 8, 10
_MAX_PAID = 3  # generations that one sequence may pay for
_MAX_SHRINK_RUNS = 8  # sequences that are tried to make a failing one shorter
_SIZES = ("1024x1024", "auto")
_QUALITIES = ("auto", "low", "medium", "high")


@dataclass
class TrackedGeneration:
    """A generation of the sequence, as the oracle sees it."""

    id: str
    n: int
    exchange: Exchange
    pending: bool
    cost: int
    reservation: int = 0  # what the meter has set aside for a task that may be charged later
    last_body: dict[str, Any] = field(default_factory=dict)


@dataclass
class RunState:
    """What all sequences of a run share."""

    context: CheckContext
    shortest_failure: tuple[list[str], Failed] | None = None
    inconclusive: CheckOutcome | None = None  # why a sequence could not be judged
    shrink_attempts: int = 0
    paid_count: int = 0

    def record_failure(self, steps: list[str], failure: Failed) -> None:
        """Keep the shortest sequence that shows something broken."""
        if self.shortest_failure is None or len(steps) < len(self.shortest_failure[0]):
            self.shortest_failure = (list(steps), failure)

    @property
    def exhausted(self) -> bool:
        """Whether a failure has been looked at long enough, or nothing can be judged any more."""
        return (
            self.inconclusive is not None
            or self.context.timed_out
            or (self.shortest_failure is not None and self.shrink_attempts > _MAX_SHRINK_RUNS)
        )


class ApiStateMachine(RuleBasedStateMachine):
    """The rules; each calls the implementation and holds it to the books.

    What a rule draws never depends on what was answered, so that a sequence can be replayed.
    """

    run_state: RunState

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[str] = []
        self.generations: list[TrackedGeneration] = []
        self.paid_count = 0
        self.expected = oracle.ExpectedBalance(0)
        self.started = False
        if self.run_state.shortest_failure:
            self.run_state.shrink_attempts += 1

    # Each rule tells its step, and stops where the lab has had enough.

    def _run_step(self, description: str, action: Callable[[], None]) -> None:
        if self.run_state.exhausted:
            return
        self.steps.append(description)
        try:
            self._start()
            action()
            self._check_balance()
        except Failed as failure:
            self.run_state.record_failure(self.steps, failure)
            raise
        except OverBudget:
            return
        except CheckOutcome as outcome:
            self.run_state.inconclusive = outcome

    def _start(self) -> None:
        if not self.started:
            self.started = True
            self.expected = oracle.ExpectedBalance(self.run_state.context.credits())

    def _check_balance(self) -> None:
        """What is left is the start minus the cost; a task under way may be paid for or not yet."""
        context = self.run_state.context
        pending_cost = sum(generation.cost for generation in self.generations if generation.pending)
        actual = context.credits()
        if self.expected.balance - pending_cost <= actual <= self.expected.balance:
            return
        if not pending_cost:
            actual = context.wait_for_credits(self.expected.balance) or 0
        if actual != self.expected.balance:
            raise Failed(
                f"the balance is {actual}",
                context.client.exchanges[-1],
                *(generation.exchange for generation in self.generations[-2:]),
                expected=f"{self.expected.balance} (started with {self.expected.initial})",
            )

    @rule(n=st.integers(1, 3), size=st.sampled_from(_SIZES), quality=st.sampled_from(_QUALITIES))
    def generate(self, n: int, size: str, quality: str) -> None:
        """Generate images and wait for them."""
        self._run_step(
            f"generate n={n} size={size} quality={quality}",
            lambda: self._generate(n, size, quality),
        )

    @rule(n=st.integers(1, 2), quality=st.sampled_from(_QUALITIES))
    def submit(self, n: int, quality: str) -> None:
        """Queue a task."""
        self._run_step(f"submit n={n} quality={quality}", lambda: self._submit(n, quality))

    @rule(index=st.integers(0, 5))
    def poll(self, index: int) -> None:
        """Read a generation of this sequence."""
        self._run_step(f"read generation {index}", lambda: self._read_back(index))

    @rule(index=st.integers(0, 5))
    def get_as_other(self, index: int) -> None:
        """Read a generation of this sequence with another user's key."""
        self._run_step(
            f"read generation {index} as another user", lambda: self._get_as_other(index)
        )

    @rule(
        change=st.sampled_from(
            ({"n": 0}, {"n": 5}, {"quality": "ultra"}, {"model": "no-such-model"}, {"size": "big"})
        ),
        asynchronous=st.booleans(),
    )
    def request_invalid(self, change: dict[str, Any], asynchronous: bool) -> None:
        """Ask for what is not on offer."""
        extra_fields = {"async": True} if asynchronous else {}
        self._run_step(
            f"ask for {change | extra_fields}",
            lambda: self._expect_rejection(change | extra_fields),
        )

    @rule(n=st.integers(1, 3), asynchronous=st.booleans())
    def fail_provider(self, n: int, asynchronous: bool) -> None:
        """Let the provider fail."""
        if self.run_state.context.profile.provider_failure:
            kind = "task" if asynchronous else "generation"
            self._run_step(f"fail a {kind} of n={n}", lambda: self._fail_provider(n, asynchronous))

    def _can_pay(self, credits: int) -> bool:
        self.paid_count += 1
        return (
            self.paid_count <= _MAX_PAID
            and self.run_state.context.client.budget.remaining >= credits
        )

    def _generate(self, n: int, size: str, quality: str) -> None:
        context, cost = self.run_state.context, oracle.price(size, n)
        if not self._can_pay(cost):
            return
        exchange = context.client.post(
            context.request_body(n=n, size=size, quality=quality), cost=cost
        )
        body = expect(exchange, 200)
        assert_common_fields(body, exchange)
        context.record_cost([exchange])
        self.run_state.paid_count += 1
        assert_equal("succeeded", body["status"], "status", exchange)
        images = require_field(body, "images", list, exchange)
        assert_equal(n, len(images), "the number of images", exchange)
        assert_image_fields(images, exchange)
        assert_equal(
            cost, require_field(body, "usage.credits", int, exchange), "usage.credits", exchange
        )
        self.expected.spent += cost
        self.generations.append(
            TrackedGeneration(body["id"], n, exchange, pending=False, cost=cost, last_body=body)
        )
        if not any(generation.pending for generation in self.generations):
            reported_balance = require_field(body, "balance.credits", int, exchange)
            assert_equal(self.expected.balance, reported_balance, "balance.credits", exchange)

    def _submit(self, n: int, quality: str) -> None:
        context, cost = self.run_state.context, oracle.price("1024x1024", n)
        if not self._can_pay(cost):
            return
        request_body = context.request_body(n=n, quality=quality, **{"async": True})
        exchange = context.client.post(request_body, cost=cost)
        body = expect(exchange, 202)
        assert_common_fields(body, exchange)
        self.run_state.paid_count += 1
        credits_requested = require_field(body, "usage.credits_requested", int, exchange)
        assert_equal(cost, credits_requested, "usage.credits_requested", exchange)
        reservation = context.client.budget.reserve_unchecked(cost)
        self.generations.append(
            TrackedGeneration(
                body["id"], n, exchange, pending=True, cost=cost, reservation=reservation
            )
        )

    def _read_back(self, index: int) -> None:
        if self.generations:
            self._check_generation(self.generations[index % len(self.generations)])

    def _check_generation(self, generation: TrackedGeneration) -> Exchange:
        exchange = self.run_state.context.client.get(f"generations/{generation.id}")
        body = expect(exchange, 200)
        assert_equal(generation.id, body.get("id"), "id", exchange)
        if generation.last_body:
            for name in ("status", "aspect_ratio", "quality"):
                assert_equal(
                    generation.last_body.get(name),
                    body.get(name),
                    f"{name} when read again",
                    exchange,
                )
            assert_equal(
                _image_ids(generation.last_body),
                _image_ids(body),
                "the images when read again",
                exchange,
            )
        elif is_final(exchange):
            self._check_final(generation, body, exchange)
        return exchange

    def _check_final(
        self, generation: TrackedGeneration, body: dict[str, Any], exchange: Exchange
    ) -> None:
        generation.last_body = body
        self._release(generation)
        if generation.cost:
            assert_equal("succeeded", body.get("status"), "status", exchange)
            assert_equal(
                generation.n,
                len(require_field(body, "images", list, exchange)),
                "the images",
                exchange,
            )
            assert_equal(
                generation.cost,
                require_field(body, "usage.credits", int, exchange),
                "usage.credits",
                exchange,
            )
            self.expected.spent += generation.cost
        self.run_state.context.record_cost([exchange])

    def _release(self, generation: TrackedGeneration) -> None:
        generation.pending = False
        self.run_state.context.client.budget.release(generation.reservation)

    def _get_as_other(self, index: int) -> None:
        if self.generations and "other" in self.run_state.context.profile.keys:
            generation = self.generations[index % len(self.generations)]
            exchange = self.run_state.context.client.get(
                f"generations/{generation.id}", key="other"
            )
            expect_error(exchange, 404, "notFound")

    def _expect_rejection(self, change: dict[str, Any]) -> None:
        context = self.run_state.context
        cost = oracle.max_price() * max(int(change.get("n", 1)), 1)
        expect_error(
            context.client.post(context.request_body(**change), cost=cost), 400, "invalid_request"
        )

    def _fail_provider(self, n: int, asynchronous: bool) -> None:
        context, cost = self.run_state.context, oracle.price("1024x1024", n)
        if context.client.budget.remaining < cost:
            return
        prompt = context.profile.provider_failure
        extra_fields = {"async": True} if asynchronous else {}
        exchange = context.client.post(
            context.request_body(prompt=prompt, n=n, **extra_fields), cost=cost
        )
        if not asynchronous:
            expect_error(exchange, 500, "generationFailed")
            return
        generation = TrackedGeneration(
            expect(exchange, 202)["id"], n, exchange, pending=True, cost=0
        )
        self._wait_until_final(generation)

    def _wait_until_final(self, generation: TrackedGeneration) -> None:
        pause, deadline = 0.01, time.monotonic() + self.run_state.context.profile.poll_timeout
        while generation.pending and time.monotonic() < deadline:
            exchange = self.run_state.context.client.get(f"generations/{generation.id}")
            if (
                require_response(exchange).status == 500
                and error_code(exchange) == "generationFailed"
            ):
                return
            if is_final(exchange):
                self._release(generation)
                return
            time.sleep(pause)
            pause = min(pause * 1.6, 1.0)
        if generation.pending:
            raise Inconclusive("the task did not end", generation.exchange)

    def teardown(self) -> None:
        """Wait for the tasks of this sequence, so that the next begins with a settled balance."""
        try:
            for generation in self.generations:
                if generation.pending and not self.run_state.exhausted:
                    self._wait_until_final(generation)
        except CheckOutcome as outcome:
            self.run_state.inconclusive = self.run_state.inconclusive or outcome


def _image_ids(body: dict[str, Any]) -> list[Any]:
    images = body.get("images")
    return [image.get("id") for image in images] if isinstance(images, list) else []


def run(context: CheckContext) -> None:
    """Play random sequences; raises the verdict of the shortest that fails."""
    run_state = RunState(context)
    machine = seed(context.seed)(
        type("ApiStateMachine", (ApiStateMachine,), {"run_state": run_state})
    )
    machine_settings = settings(
        max_examples=MAX_EXAMPLES,
        stateful_step_count=MAX_STEPS,
        database=None,
        deadline=None,
        verbosity=Verbosity.quiet,
        print_blob=False,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    # What failed is in the lab, also where a replay went another way.
    with suppress(Failed, HypothesisException, ExceptionGroup):
        run_state_machine_as_test(machine, settings=machine_settings)
    if run_state.shortest_failure:
        steps, failure = run_state.shortest_failure
        step_text = "; ".join(f"{number}. {step}" for number, step in enumerate(steps, 1))
        raise Failed(
            f"{failure.message}, after: {step_text}", *failure.exchanges, expected=failure.expected
        )
    if run_state.inconclusive:
        raise run_state.inconclusive
    if not run_state.paid_count:
        raise Skipped("no credits were left for random sequences")

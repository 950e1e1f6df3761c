"""Send random sequences of requests and check them against a model; shrink a failing one."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import HypothesisException
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

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
from mockhub.verify.client import BudgetedClient
from mockhub.verify.context import CheckContext
from mockhub.verify.exchange import Exchange, JsonObject
from mockhub.verify.generation import is_final
from mockhub.verify.outcomes import CheckOutcome, Failed, Inconclusive, OverBudget, Skipped

from .stateful_model import ExpectedBalance, RunState, TrackedGeneration

MAX_STEPS = 10
_MAX_PAID = 3  # generations that one sequence may pay for
_SIZES = ("1024x1024", "auto")
_INFERRED_SIZES = ("1536x1024", "2048x2048", "3840x2160")  # of tiers that are inferred
_QUALITIES = ("auto", "low", "medium", "high")
_INVALID_CHANGES: tuple[dict[str, object], ...] = (
    {"n": 0},
    {"n": 5},
    {"quality": "ultra"},
    {"model": "no-such-model"},
    {"size": "big"},
)


class ApiStateMachine(RuleBasedStateMachine):
    """The rules: each sends a request and checks the response and the balance.

    What a rule draws never depends on a response, so that a sequence can be replayed. Hypothesis
    orders the rules by name: renaming one changes what a seed generates.
    """

    run_state: RunState

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[str] = []
        self.generations: list[TrackedGeneration] = []
        self.paid_count = 0
        self.cost = 0  # the worst case of what was paid for, in credits
        self.expected = ExpectedBalance(0)
        self.started = False
        if self.run_state.shortest_failure:
            self.run_state.shrink_attempts += 1

    @property
    def context(self) -> CheckContext:
        return self.run_state.context

    @property
    def client(self) -> BudgetedClient:
        return self.context.client

    @rule(
        n=st.integers(1, 4),
        size=st.sampled_from((*_SIZES, *_INFERRED_SIZES)),
        quality=st.sampled_from(_QUALITIES),
        form=st.booleans(),
    )
    def generate(self, n: int, size: str, quality: str, form: bool) -> None:
        """Generate images synchronously."""
        size = size if size in _SIZES or not self.context.documented else _SIZES[0]
        self._run_step(
            f"generate n={n} size={size} quality={quality}{' as a form' if form else ''}",
            lambda: self._generate({"n": n, "size": size, "quality": quality}, form=form),
        )

    @precondition(lambda self: self.context.profile.partial is not None)
    @rule(form=st.booleans())
    def deliver_partially(self, form: bool) -> None:
        """Let the provider deliver fewer images than requested."""
        if partial := self.context.profile.partial:
            fields = {"prompt": partial.prompt, "n": partial.n, "size": "1024x1024"}
            self._run_step(
                f"generate n={partial.n}, of which {partial.delivered} are delivered",
                lambda: self._generate(fields, form=form, delivered=partial.delivered),
            )

    @precondition(lambda self: "other" in self.context.profile.keys)
    @rule(n=st.integers(1, 4))
    def generate_as_other(self, n: int) -> None:
        """Generate as another user, who pays for it alone."""
        self._run_step(f"generate n={n} as another user", lambda: self._generate_as_other(n))

    @rule(n=st.integers(1, 4), quality=st.sampled_from(_QUALITIES), form=st.booleans())
    def submit(self, n: int, quality: str, form: bool) -> None:
        """Submit an asynchronous generation."""
        self._run_step(
            f"submit n={n} quality={quality}{' as a form' if form else ''}",
            lambda: self._submit(n, quality, form=form),
        )

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

    @rule(change=st.sampled_from(_INVALID_CHANGES), asynchronous=st.booleans())
    def request_invalid(self, change: dict[str, object], asynchronous: bool) -> None:
        """Send an invalid request."""
        changes = change | _async_field(asynchronous)
        self._run_step(f"request {changes}", lambda: self._expect_rejection(changes))

    @rule(n=st.integers(1, 3), asynchronous=st.booleans())
    def fail_provider(self, n: int, asynchronous: bool) -> None:
        """Let the provider fail."""
        if self.context.profile.provider_failure:
            kind = "task" if asynchronous else "generation"
            self._run_step(f"fail a {kind} of n={n}", lambda: self._fail_provider(n, asynchronous))

    def teardown(self) -> None:
        """Wait for the tasks of this sequence, so that the next begins with a settled balance."""
        try:
            for generation in self.generations:
                if generation.pending and not self.run_state.exhausted:
                    self._wait_until_final(generation)
        except CheckOutcome as outcome:
            self.run_state.inconclusive = self.run_state.inconclusive or outcome

    def _run_step(self, description: str, action: Callable[[], None]) -> None:
        if self.run_state.exhausted:
            return
        self.steps.append(description)
        try:
            if not self.started:
                self.started = True
                self.expected = ExpectedBalance(self.context.credits())
            action()
            self._check_balance()
        except Failed as failure:
            self.run_state.record_failure(self.steps, failure, self.cost)
            raise
        except OverBudget:
            return
        except CheckOutcome as outcome:
            self.run_state.inconclusive = outcome

    def _check_balance(self) -> None:
        """Require the start minus the cost; a pending task may have been charged or not."""
        pending_cost = sum(generation.cost for generation in self.generations if generation.pending)
        actual = self.context.credits()
        if self.expected.balance - pending_cost <= actual <= self.expected.balance:
            return
        if not pending_cost:
            actual = self.context.wait_for_credits(self.expected.balance) or 0
        if actual != self.expected.balance:
            raise Failed(
                f"the balance is {actual}",
                self.client.exchanges[-1],
                *(generation.exchange for generation in self.generations[-2:]),
                expected=f"{self.expected.balance} (started with {self.expected.initial})",
            )

    def _can_pay(self, credits: int) -> bool:
        self.paid_count += 1
        can_pay = self.paid_count <= _MAX_PAID and self.client.budget.remaining >= credits
        self.cost += credits if can_pay else 0
        return can_pay

    def _post(self, fields: Mapping[str, object], cost: int, *, form: bool) -> Exchange:
        if form:
            return self.client.post(form=self.context.form_fields(**fields), cost=cost)
        return self.client.post(self.context.request_body(**fields), cost=cost)

    def _generate(
        self, fields: Mapping[str, object], *, form: bool, delivered: int | None = None
    ) -> None:
        """Generate *n* images, of which the provider delivers all or *delivered*."""
        size, requested = str(fields["size"]), int(str(fields["n"]))
        if not self._can_pay(oracle.price(size, requested)):
            return
        exchange = self._post(fields, oracle.price(size, requested), form=form)
        n = delivered or requested
        cost = oracle.price(size, n)
        body = expect(exchange, 200)
        assert_common_fields(body, exchange)
        self.context.record_cost([exchange])
        self.run_state.paid_count += 1
        if not delivered:  # how a partial delivery is called is open
            assert_equal(body["status"], "succeeded", "status", exchange)
        images = require_field(body, "images", list, exchange)
        assert_equal(len(images), n, "the number of images", exchange)
        assert_image_fields(images, exchange)
        credits = require_field(body, "usage.credits", int, exchange)
        assert_equal(credits, cost, "usage.credits", exchange)
        self.expected.spent += cost
        self.generations.append(
            TrackedGeneration(body["id"], n, exchange, pending=False, cost=cost, last_body=body)
        )
        if not delivered and not any(generation.pending for generation in self.generations):
            reported_balance = require_field(body, "balance.credits", int, exchange)
            assert_equal(reported_balance, self.expected.balance, "balance.credits", exchange)

    def _generate_as_other(self, n: int) -> None:
        """Require another user to pay; the balance of this one is checked after each step."""
        cost = oracle.price("1024x1024", n)
        before = self.context.credits("other")
        if before < cost or not self._can_pay(cost):
            return
        exchange = self.client.post(self.context.request_body(n=n), key="other", cost=cost)
        expect(exchange, 200)
        self.context.record_cost([exchange])
        after = self.context.credits("other")
        assert_equal(before - after, cost, "the charge of another user", exchange)

    def _submit(self, n: int, quality: str, *, form: bool) -> None:
        cost = oracle.price("1024x1024", n)
        if not self._can_pay(cost):
            return
        fields = {"n": n, "quality": quality, **_async_field(True)}
        exchange = self._post(fields, cost, form=form)
        body = expect(exchange, 202)
        assert_common_fields(body, exchange)
        self.run_state.paid_count += 1
        credits_requested = require_field(body, "usage.credits_requested", int, exchange)
        assert_equal(credits_requested, cost, "usage.credits_requested", exchange)
        reservation = self.client.budget.reserve_task(cost)
        self.generations.append(
            TrackedGeneration(
                body["id"], n, exchange, pending=True, cost=cost, reservation=reservation
            )
        )

    def _read_back(self, index: int) -> None:
        if not self.generations:
            return
        generation = self.generations[index % len(self.generations)]
        exchange = self.client.get(f"generations/{generation.id}")
        body = expect(exchange, 200)
        assert_equal(body.get("id"), generation.id, "id", exchange)
        if generation.last_body:
            _assert_unchanged(generation.last_body, body, exchange)
        elif is_final(exchange):
            self._check_final(generation, body, exchange)

    def _check_final(
        self, generation: TrackedGeneration, body: JsonObject, exchange: Exchange
    ) -> None:
        generation.last_body = body
        self._release(generation)
        if generation.cost:
            assert_equal(body.get("status"), "succeeded", "status", exchange)
            images = require_field(body, "images", list, exchange)
            assert_equal(len(images), generation.n, "the images", exchange)
            credits = require_field(body, "usage.credits", int, exchange)
            assert_equal(credits, generation.cost, "usage.credits", exchange)
            self.expected.spent += generation.cost
        self.context.record_cost([exchange])

    def _release(self, generation: TrackedGeneration) -> None:
        generation.pending = False
        self.client.budget.release(generation.reservation)

    def _get_as_other(self, index: int) -> None:
        if self.generations and "other" in self.context.profile.keys:
            generation = self.generations[index % len(self.generations)]
            exchange = self.client.get(f"generations/{generation.id}", key="other")
            expect_error(exchange, 404, "notFound")

    def _expect_rejection(self, changes: dict[str, object]) -> None:
        n = changes.get("n", 1)
        cost = oracle.max_price() * (max(n, 1) if isinstance(n, int) else 1)
        exchange = self.client.post(self.context.request_body(**changes), cost=cost)
        expect_error(exchange, 400, "invalid_request")

    def _fail_provider(self, n: int, asynchronous: bool) -> None:
        cost = oracle.price("1024x1024", n)
        if self.client.budget.remaining < cost:
            return
        request_body = self.context.request_body(
            prompt=self.context.profile.provider_failure, n=n, **_async_field(asynchronous)
        )
        exchange = self.client.post(request_body, cost=cost)
        if not asynchronous:
            expect_error(exchange, 500, "generationFailed")
            return
        generation_id = expect(exchange, 202)["id"]
        generation = TrackedGeneration(generation_id, n, exchange, pending=True, cost=0)
        self._wait_until_final(generation)

    def _wait_until_final(self, generation: TrackedGeneration) -> None:
        pause, deadline = 0.01, time.monotonic() + self.context.profile.poll_timeout
        while generation.pending and time.monotonic() < deadline:
            exchange = self.client.get(f"generations/{generation.id}")
            status = require_response(exchange).status
            if status == 500 and error_code(exchange) == "generationFailed":
                return
            if is_final(exchange):
                self._release(generation)
                return
            time.sleep(pause)
            pause = min(pause * 1.6, 1.0)
        if generation.pending:
            raise Inconclusive("the task did not end", generation.exchange)


def _async_field(asynchronous: bool) -> dict[str, object]:
    return {"async": True} if asynchronous else {}


def _assert_unchanged(before: JsonObject, body: JsonObject, exchange: Exchange) -> None:
    for name in ("status", "aspect_ratio", "quality"):
        assert_equal(body.get(name), before.get(name), f"{name} when read again", exchange)
    images = _image_ids(body)
    assert_equal(images, _image_ids(before), "the images when read again", exchange)


def _image_ids(body: JsonObject) -> list[object]:
    images = body.get("images")
    return [image.get("id") for image in images] if isinstance(images, list) else []


def run(context: CheckContext) -> None:
    """Run random sequences, and raise the outcome of the shortest that fails."""
    run_state = RunState(context)
    machine = seed(context.seed)(
        type("ApiStateMachine", (ApiStateMachine,), {"run_state": run_state})
    )
    machine_settings = settings(
        max_examples=context.examples,
        stateful_step_count=MAX_STEPS,
        database=None,
        deadline=None,
        verbosity=Verbosity.quiet,
        print_blob=False,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    # The failure is in run_state, even if hypothesis could not reproduce it.
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
        raise Skipped("no credits or no time were left for generated sequences")

"""Send random sequences of requests and check them against a model; shrink a failing one."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import HypothesisException
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from mockhub.verify import oracle
from mockhub.verify.assertions import (
    assert_common_fields,
    assert_equal,
    expect,
    expect_error,
    require_field,
    response_balance,
)
from mockhub.verify.charge_assertions import small_size
from mockhub.verify.client import BudgetedClient
from mockhub.verify.context import CheckContext
from mockhub.verify.exchange import Exchange, JsonObject
from mockhub.verify.fixtures import upload_files
from mockhub.verify.generation import is_final
from mockhub.verify.outcomes import CheckOutcome, Failed, OverBudget, Skipped, failures_about

from .stateful_model import (
    COUNTS,
    FIELDS,
    INFERRED_SIZES,
    INVALID_CHANGES,
    MODES,
    ROLES,
    ExpectedBalance,
    Mode,
    RunState,
    TrackedGeneration,
    assert_delivered,
    assert_unchanged,
    describe,
    has_failed,
    paid_limit,
    release,
    wait_until_final,
)


class ApiStateMachine(RuleBasedStateMachine):
    """The rules: each sends a request and checks the response; the balances are an invariant.

    What a rule draws never depends on a response, so that a sequence can be replayed: a generation
    that the budget does not cover is in the bundle too. Hypothesis orders the rules by name:
    renaming one changes what a seed generates.
    """

    run_state: RunState
    generations: Bundle[TrackedGeneration] = Bundle("generations")

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[str] = []
        self.tracked: list[TrackedGeneration] = []
        self.paid_count = 0
        self.cost = 0  # the worst case of what was paid for, in credits
        self.expected: dict[str, ExpectedBalance] = {}
        if self.run_state.shortest_failure:
            self.run_state.shrink_attempts += 1

    @property
    def context(self) -> CheckContext:
        return self.run_state.context

    @property
    def client(self) -> BudgetedClient:
        return self.context.client

    @initialize(target=generations, n=st.integers(1, 2), turn=COUNTS, mode=MODES, role=ROLES)
    def begin(self, n: int, turn: int, mode: Mode, role: str) -> TrackedGeneration:
        """Generate an image: hypothesis disables some rules in each sequence, but not this one."""
        fields = {"n": n, "size": small_size(self.context, turn)}
        return self._generate(fields, mode, role, delivered=n)

    @rule(target=generations, fields=FIELDS, mode=MODES, role=ROLES)
    def generate(self, fields: dict[str, Any], mode: Mode, role: str) -> TrackedGeneration:
        """Generate images, at once or as a task."""
        if self.context.documented and fields["size"] in INFERRED_SIZES:
            fields["size"] = small_size(self.context, INFERRED_SIZES.index(fields["size"]))
        return self._generate(fields, mode, role, delivered=fields["n"])

    @precondition(lambda self: self.context.profile.partial is not None)
    @rule(target=generations, mode=MODES, role=ROLES)
    def deliver_partially(self, mode: Mode, role: str) -> TrackedGeneration:
        """Let the provider deliver fewer images than requested."""
        partial = self.context.profile.partial
        assert partial
        fields = {"n": partial.n, "size": "1024x1024", "prompt": partial.prompt}
        return self._generate(fields, mode, role, delivered=partial.delivered)

    @precondition(lambda self: self.context.profile.provider_failure is not None)
    @rule(target=generations, n=COUNTS, mode=MODES, role=ROLES)
    def fail_provider(self, n: int, mode: Mode, role: str) -> TrackedGeneration:
        """Let the provider fail."""
        fields = {"n": n, "size": "1024x1024", "prompt": self.context.profile.provider_failure}
        return self._generate(fields, mode, role, delivered=0)

    @rule(generation=generations)
    def poll(self, generation: TrackedGeneration) -> None:
        """Read a generation of this sequence."""
        description = f"read generation {generation.number}"
        self._run_step(description, generation.id, lambda: self._read_back(generation), "RET-1")

    @rule(generation=generations)
    def get_as_other(self, generation: TrackedGeneration) -> None:
        """Read a generation of this sequence with another user's key."""
        stranger = "other" if generation.role == "valid" else "valid"

        def read() -> None:
            expect_error(self.client.get(generation.path, key=stranger), 404, "notFound")

        can_read = generation.id and stranger in self.context.profile.keys
        step = f"read generation {generation.number} as another user"
        self._run_step(step, can_read, read, "RET-2")

    @rule(change=st.sampled_from(INVALID_CHANGES), mode=MODES)
    def request_invalid(self, change: dict[str, object], mode: Mode) -> None:
        """Send an invalid request."""
        n = change.get("n", 1)
        cost = oracle.max_price() * (max(n, 1) if isinstance(n, int) else 1)

        def send() -> None:
            exchange = self._post({"n": 1, **change}, mode, "valid", cost)
            expect_error(exchange, 400, "invalid_request")

        self._run_step(f"request {change}{describe(mode)}", True, send, "REQ-10")

    @precondition(lambda self: self.run_state.can_be_broke)
    @rule(n=COUNTS, mode=MODES)
    def request_unpaid(self, n: int, mode: Mode) -> None:
        """Send a request of an account that cannot pay."""
        mode["task"] = False

        def send() -> None:
            exchange = self._post({"n": n, "size": "1024x1024"}, mode, "broke", 0)
            expect_error(exchange, 402, "insufficientCredits")

        self._run_step(f"request n={n} without credits{describe(mode)}", True, send, "LED-4")

    @invariant()
    def balances_match(self) -> None:
        """Require the start minus the cost; a pending task may have been charged or not."""
        checks = [partial(self._check_balance, role) for role in self.expected]
        self._guarded(lambda: list(self.context.run_batch(checks)))

    def teardown(self) -> None:
        """Wait for the tasks of this sequence, so that the next begins with a settled balance."""
        try:
            for generation in self.tracked:
                if generation.pending and not self.run_state.exhausted:
                    wait_until_final(self.context, generation)
        except CheckOutcome as outcome:
            self.run_state.inconclusive = self.run_state.inconclusive or outcome

    def _run_step(
        self, description: str, condition: object, action: Callable[[], object], clause: str = ""
    ) -> None:
        if not condition or self.run_state.exhausted:
            return
        self.steps.append(description)
        with failures_about(clause):
            self._guarded(action)

    def _guarded(self, action: Callable[[], object]) -> None:
        if self.run_state.exhausted:
            return
        try:
            if not self.expected:
                roles = [role for role in ("valid", "other") if role in self.context.profile.keys]
                credits = self.context.credits
                self.expected = {role: ExpectedBalance(credits(role)) for role in roles}
            action()
        except Failed as failure:
            self.run_state.record_failure(self.steps, failure, self.cost)
            raise
        except OverBudget:
            return
        except CheckOutcome as outcome:
            self.run_state.inconclusive = outcome

    def _check_balance(self, role: str) -> None:
        own = [generation for generation in self.tracked if generation.role == role]
        pending_cost = sum(generation.max_cost for generation in own if generation.pending)
        expected, actual = self.expected[role], self.context.credits(role)
        if expected.balance - pending_cost <= actual <= expected.balance:
            return
        if not pending_cost:
            actual = self.context.wait_for_credits(expected.balance, role) or 0
        if actual != expected.balance:
            raise Failed(
                f"the balance of {role} is {actual}",
                self.context.balance_reads[role],
                *(exchange for generation in own[-2:] for exchange in generation.evidence),
                expected=f"{expected.balance} (started with {expected.initial})",
            )

    def _generate(
        self, fields: dict[str, Any], mode: Mode, role: str, *, delivered: int
    ) -> TrackedGeneration:
        """Generate images, of which the provider delivers some."""
        role = role if role in self.context.profile.keys else "valid"
        size, requested = fields["size"], fields["n"]
        generation = TrackedGeneration(
            len(self.tracked) + 1,
            role,
            delivered,
            oracle.price(size, delivered) if delivered else 0,
            oracle.price(size, requested),
        )
        self.tracked.append(generation)
        kind = "" if delivered == requested else f", of which {delivered} are delivered"
        shown = ", ".join(f"{name}={value}" for name, value in fields.items() if name != "prompt")
        payer = "" if role == "valid" else " as another user"
        self._run_step(
            f"generate {shown}{kind}{describe(mode)}{payer}",
            self._can_pay(generation),
            lambda: self._send(generation, fields, mode),
        )
        return generation

    def _can_pay(self, generation: TrackedGeneration) -> bool:
        if self.run_state.exhausted:
            return False
        self.paid_count += bool(generation.cost)
        can_pay = (
            self.paid_count <= self.run_state.max_paid
            and self.client.budget.remaining >= generation.max_cost
            and (generation.role == "valid" or self.context.credits("other") >= generation.max_cost)
        )
        self.cost += generation.cost if can_pay else 0
        return can_pay

    def _send(self, generation: TrackedGeneration, fields: dict[str, Any], mode: Mode) -> None:
        exchange = self._post(fields, mode, generation.role, generation.max_cost)
        generation.exchange = exchange
        if mode["task"] and mode["form"] and self.context.documented and exchange.status != 202:
            if exchange.status == 200:  # whether a form can be a task is open
                self._check_result(generation, expect(exchange, 200), exchange)
            return
        if mode["task"]:
            self._track_task(generation, expect(exchange, 202), exchange)
        elif not generation.n:
            expect_error(exchange, 500, "generationFailed")
        else:
            self._check_result(generation, expect(exchange, 200), exchange)

    def _post(self, fields: dict[str, Any], mode: Mode, role: str, cost: int) -> Exchange:
        fields = {"quality": mode["quality"], **fields} | ({"async": True} if mode["task"] else {})
        if mode["form"]:
            form, files = self.context.form_fields(**fields), upload_files(mode["files"])
            return self.client.post(form=form, files=files, key=role, cost=cost)
        return self.client.post(self.context.request_body(**fields), key=role, cost=cost)

    def _track_task(
        self, generation: TrackedGeneration, body: JsonObject, exchange: Exchange
    ) -> None:
        assert_common_fields(body, exchange)
        requested = require_field(body, "usage.credits_requested", int, exchange)
        assert_equal(requested, generation.max_cost, "usage.credits_requested", exchange)
        self.run_state.paid_count += bool(generation.cost)
        generation.id, generation.pending = body["id"], True
        budget = self.client.budget
        generation.reservation = budget.reserve_task(generation.max_cost, exchange.started)

    def _check_result(
        self, generation: TrackedGeneration, body: JsonObject, exchange: Exchange
    ) -> None:
        """Check a synchronous generation, and that its balance is that of this moment."""
        self.run_state.paid_count += 1
        self._check_final(generation, body, exchange)
        generation.id = body["id"]
        own = [each for each in self.tracked if each.role == generation.role]
        if not any(each.pending for each in own) and generation.max_cost == generation.cost:
            reported = response_balance(body, exchange)
            expected = self.expected[generation.role].balance
            assert_equal(reported, expected, "balance.credits", exchange)

    def _check_final(
        self, generation: TrackedGeneration, body: JsonObject, exchange: Exchange
    ) -> None:
        generation.last_body = body
        release(self.client, generation)
        self.context.record_cost([exchange])
        if not generation.n:
            return  # what a failed task shows is open
        self.expected[generation.role].spent += generation.cost
        assert_delivered(generation, body, exchange)

    def _read_back(self, generation: TrackedGeneration) -> None:
        exchange = self.client.get(generation.path, key=generation.role)
        if has_failed(self.client, generation, exchange):
            return
        body = expect(exchange, 200)
        assert_equal(body.get("id"), generation.id, "id", exchange)
        if generation.last_body:
            assert_unchanged(generation.last_body, body, exchange)
        elif is_final(exchange):
            self._check_final(generation, body, exchange)


def run(context: CheckContext) -> None:
    """Run random sequences, and raise the outcome of the shortest that fails."""
    context.begin_generated()
    run_state = RunState(context, max_paid=paid_limit(context))
    machine = seed(context.seed)(
        type("ApiStateMachine", (ApiStateMachine,), {"run_state": run_state})
    )
    machine_settings = settings(
        max_examples=context.examples,
        stateful_step_count=run_state.max_steps,
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
        message = f"{failure.message}, after: {step_text}"
        raise Failed(message, *failure.exchanges, expected=failure.expected, clause=failure.clause)
    if run_state.inconclusive:
        raise run_state.inconclusive
    if not run_state.paid_count:
        raise Skipped("no credits or no time were left for generated sequences")

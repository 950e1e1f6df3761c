"""The state that all checks of a run share: generations, balances and memoized requests."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property, partial
from itertools import count, pairwise
from typing import TypeVar, cast

from mockhub.verify import covering_array, oracle, polling, state_handlers
from mockhub.verify.assertions import require_response
from mockhub.verify.balances import Balances
from mockhub.verify.clauses import DOCUMENTED
from mockhub.verify.client import BudgetedClient, RawKey
from mockhub.verify.exchange import Exchange
from mockhub.verify.fixtures import FAILURE_FIXTURES, FURTHER_FAILURES, GenerationFixture
from mockhub.verify.generation import SECOND_KEY, ObservedGeneration, create_generation, post_fields
from mockhub.verify.group_balances import record_balances
from mockhub.verify.multipart import to_form_text
from mockhub.verify.outcomes import CheckOutcome, Inconclusive, OverBudget
from mockhub.verify.threads import parallel

T = TypeVar("T")

SLOW_SECONDS = 0.5  # generations that take longer are created in parallel
DEFAULT_EXAMPLES = 8  # random sequences; the number of generated bodies is in proportion
TIME_LIMIT_SECONDS = 20.0  # after which generated requests stop, for so many examples
_MIN_SECONDS = 2.0  # for generated requests, however long the others took
_MAX_CONCURRENT = 12  # generations that are created in parallel


class CheckContext(Balances):
    """Creates generations on demand and shares them between the checks.

    Attributes:
        examples: The number of random sequences.
        history: Every generation so far, in order.
        generation_groups: The generations that were created at the same time.
        concurrent_payment: Credits of keys.low before concurrent requests spent them, and the rest
            that pays for none of them.
        ineffective_triggers: The triggers whose prompts have no effect, with a generation that
            shows it; `profile` does not have them any more.
    """

    def __init__(
        self, client: BudgetedClient, level: str, seed: int, examples: int = DEFAULT_EXAMPLES
    ) -> None:
        super().__init__(client)
        self.level = level
        self.documented = level == DOCUMENTED
        self.seed = seed
        self.examples = examples
        self.fixtures = covering_array.fill(seed)
        self.history: list[ObservedGeneration] = []
        self.generation_groups: list[list[ObservedGeneration]] = []
        self.concurrent_payment = (0, 0)
        self.ineffective_triggers: dict[str, ObservedGeneration] = {}
        self._generations: dict[str, ObservedGeneration | CheckOutcome] = {}
        self._memoized: dict[str, object] = {}
        self._unreliable: set[str] = set()  # what was memoized while a request was given up
        self._body_numbers = count(1)
        self._started_at = self._generating_since = time.monotonic()
        self._state_handler = state_handlers.load_state_handler(self.profile.state_handlers)

    @property
    def timed_out(self) -> bool:
        """Whether a slow implementation leaves no time for further generated requests."""
        if math.isfinite(self.client.seconds_left):
            return self.client.seconds_left <= 0
        limit = TIME_LIMIT_SECONDS * max(1, self.examples / DEFAULT_EXAMPLES)
        now = time.monotonic()
        return now - self._started_at > limit and now - self._generating_since > _MIN_SECONDS

    def begin_generated(self) -> None:
        """Note that generated requests begin, for which some time is left in any case."""
        self._generating_since = time.monotonic()

    def memoize(self, name: str, factory: Callable[[], T]) -> T:
        """Call *factory* once and return its result; an outcome that it raised is raised again."""
        if name not in self._memoized:
            given_up = self.client.given_up
            try:
                self._memoized[name] = factory()
            except CheckOutcome as outcome:
                self._memoized[name] = outcome
            if self.client.given_up > given_up:
                self._unreliable.add(name)
        memoized = self._memoized[name]
        if isinstance(memoized, CheckOutcome):
            raise memoized
        return cast(T, memoized)

    def forget(self, failures: Sequence[Exchange]) -> None:
        """Forget what transient failures have spoiled, so that it is requested again."""
        for name in self._unreliable:
            del self._memoized[name]
        self._unreliable.clear()
        for generation in tuple(self.history):
            if generation.exchange in failures:
                self._generations.pop(generation.name, None)
                self.history.remove(generation)
                continue
            for role, exchange in tuple(generation.other_reads.items()):
                if exchange in failures:
                    del generation.other_reads[role]
            if any(poll in failures for poll in generation.polls):
                generation.polls = [poll for poll in generation.polls if poll not in failures]
                if generation.accepted:
                    polling.poll_until_final(self.client, generation)

    def model_list(self, *, again: bool = False, key: str | None = None) -> Exchange:
        """Return the response to GET /api/v1/models, fetched once, or *again* with another key."""
        if again:
            self._memoized.pop("models", None)
        return self.memoize("models", lambda: self.client.get("models", key=key))

    # Requests

    def request_body(self, **changes: object) -> dict[str, object]:
        """Return a valid request body with *changes*; a change to `...` removes the field."""
        fields = {"model": oracle.MODEL, "prompt": self._new_prompt(), "size": "1024x1024", "n": 1}
        return {name: value for name, value in (fields | changes).items() if value is not ...}

    def form_fields(self, **changes: object) -> dict[str, str]:
        """Return the same as the fields of a form."""
        return {name: to_form_text(value) for name, value in self.request_body(**changes).items()}

    def _new_prompt(self) -> str:
        return f"A paper boat, {self.seed}-{next(self._body_numbers)}"

    def post_fixture(self, fixture: GenerationFixture, key: str | None, *, cost: int) -> Exchange:
        """Send the request of *fixture* with a prompt of its own."""
        return post_fields(self.client, fixture, fixture.fields(self._new_prompt()), key, cost=cost)

    # Provider states

    def provider_state(self, name: str, result_key: str, **params: object) -> str:
        """Bring the implementation into a state, once, and return the handler's *result_key*."""
        return self.memoize(
            f"state {name} {params}",
            lambda: state_handlers.call_state_handler(
                self._state_handler, name, result_key, **params
            ),
        )

    def state_key(self, name: str, **params: object) -> RawKey:
        """Return the key of a provider state; reports show it as a variable."""
        raw = self.provider_state(name, "key", **params)
        self.client.secrets.register(raw, f"$MOCKHUB_KEY_{name.upper()}")
        return RawKey(raw)

    # Generations

    def generation(self, name: str) -> ObservedGeneration:
        """Return the generation of a fixture, created on first use."""
        while name not in self._generations:  # a lost response removes it
            self._generate_all({name: self._affordable_fixture(name)})
        generation = self._generations[name]
        if isinstance(generation, CheckOutcome):
            raise generation
        return generation

    @property
    def has_form_tasks(self) -> bool:
        """Whether a form was accepted as a task, which is an open point."""
        form_tasks = [one for one in self.history if one.fixture.is_form_task]
        return any(one.exchange.status == 202 for one in form_tasks)

    def completed(self, name: str) -> ObservedGeneration:
        """Return a generation that was accepted and, if it is a task, has ended."""
        generation = self.generation(name)
        require_response(generation.exchange)
        if not generation.accepted:
            raise Inconclusive(
                f"the generation that this check needs returned HTTP {generation.exchange.status}",
                generation.exchange,
            )
        if generation.exchange.status == 202 and not generation.finished:
            raise Inconclusive("the task that this check needs did not end", *generation.polls[-1:])
        return generation

    def prefetch(self, names: Sequence[str], modes: Sequence[bool]) -> None:
        """Create the fixtures of *names* in parallel, for a slow implementation.

        Of *modes*, which say whether a generation is asynchronous.
        """
        self.generate_in_parallel(
            [
                name
                for name in names
                if bool(self.fixtures[name].asynchronous) in modes
                and (self.fixtures[name].asynchronous or not self.fixtures[name].trigger)
                and name not in FAILURE_FIXTURES
            ]
        )

    def generate_failures(self) -> list[ObservedGeneration]:
        """Return generations of every kind that the provider fails, created on first use.

        They cost nothing; none follows one that was charged, so the most expensive come last.
        """
        return self.memoize("failures", self._generate_failures)

    def _generate_failures(self) -> list[ObservedGeneration]:
        # If responses are slow there are fewer, with those that are otherwise measured alone.
        measured_alone = ("failure", "failure_async")
        if self.is_slow:
            generations = self._generate_group_by_group((*FAILURE_FIXTURES, *measured_alone))
            return [one for one in generations if one.name not in measured_alone]
        generations = self._generate_group_by_group(FAILURE_FIXTURES)
        ended = all(one.finished or one.exchange.status != 202 for one in generations)
        if ended and not any(one.charged for one in generations):
            generations += self._generate_group_by_group(FURTHER_FAILURES)
        return generations

    def _generate_group_by_group(self, names: Sequence[str]) -> list[ObservedGeneration]:
        """Create generations that the provider fails, and nothing more after one was charged.

        The first one is alone: it shows whether the prompt makes the provider fail.
        """
        generations: list[ObservedGeneration] = []
        # The tasks run at the same time, as many as there are.
        fixtures = self.fixtures
        names = sorted(
            names, key=lambda one: (not fixtures[one].asynchronous, fixtures[one].max_cost)
        )
        for start, stop in pairwise([0, *range(1, len(names), _MAX_CONCURRENT), len(names)]):
            group_names = names[start:stop]
            self.generate_in_parallel(group_names)
            generations += [self.generation(name) for name in group_names]
            if any(generation.charged for generation in generations):
                break
        return generations

    def repeat_generation(self, generation: ObservedGeneration) -> ObservedGeneration:
        """Create a generation again, alone."""
        del self._generations[generation.name]
        return self.generation(generation.name)

    def generate_in_parallel(self, names: Sequence[str]) -> None:
        """Create those of *names* that do not exist, as many at once as the budget covers."""
        missing = [name for name in names if name not in self._generations]
        fixtures = {name: self._affordable_fixture(name) for name in missing}
        while missing:
            costs = [fixtures[name].max_cost for name in missing[:_MAX_CONCURRENT]]
            size = self.affordable_count(costs)
            self._generate_all({name: fixtures[name] for name in missing[:size]})
            missing = missing[size:]

    def _affordable_fixture(self, name: str) -> GenerationFixture:
        """Return a fixture; `valid` pays for it if `other` cannot."""
        fixture = self.fixtures[name]
        if fixture.payer != "other":
            return fixture
        credits = self.current_credits("other") if "other" in self.profile.keys else None
        return fixture if (credits or 0) >= fixture.max_cost else replace(fixture, payer="valid")

    def _generate_all(self, fixtures: Mapping[str, GenerationFixture]) -> None:
        """Create generations in parallel.

        Of several that one account pays for, only the cost of all can be measured.
        """
        payers = list(dict.fromkeys(fixture.payer for fixture in fixtures.values()))
        known = {*self.profile.keys, *payers}
        roles: dict[str, str] = {role: role for role in ("valid", "other") if role in known}
        if "valid" in payers and self.second_key:
            roles[SECOND_KEY] = self.second_key
        before = self.read_roles(roles, self.current_credits)
        parallel([partial(self._generate_one, *item) for item in fixtures.items()])
        created = [self._generations[name] for name in fixtures]
        for name, one in zip(fixtures, created, strict=True):
            if isinstance(one, OverBudget) and len(created) > 1:
                del self._generations[name]  # alone it may be affordable
        groups = [
            [one for one in created if isinstance(one, ObservedGeneration) and one.payer == payer]
            for payer in payers
        ]
        if groups := [group for group in groups if group]:
            record_balances(self, groups, roles, before)
        for group in groups:
            if any(generation.exchange.error == "lost" for generation in group):
                group = self._remove_lost(group)
            self.generation_groups += [group] if group else []
        self._drop_ineffective_triggers()

    def _drop_ineffective_triggers(self) -> None:
        """Continue without a trigger whose prompt has had no effect on any generation so far."""
        for trigger in ("provider_failure", "partial"):
            triggered = [one for one in self.history if one.fixture.trigger == trigger]
            if triggered and all(one.ignored_trigger for one in triggered):
                self.ineffective_triggers[trigger] = triggered[0]
                self.profile = self.client.profile = self.profile.without(trigger)

    def _remove_lost(self, group: list[ObservedGeneration]) -> list[ObservedGeneration]:
        """Forget the generations whose responses were lost; they are created again when needed."""
        lost = [generation for generation in group if generation.exchange.error == "lost"]
        found = [generation for generation in group if generation not in lost]
        for generation in lost:
            del self._generations[generation.name]
            self.history.remove(generation)
        if group[0].charged == sum(generation.reported_cost or 0 for generation in found):
            for generation in lost:
                self.client.lost.remove(generation.exchange)
        else:
            for generation in found:
                generation.balance_before = None  # what the lost ones cost is unknown
        return found

    @cached_property
    def second_key(self) -> RawKey | None:
        """Another key of `valid`, if the state handlers have one."""
        with suppress(CheckOutcome):
            return self.state_key("second_key", account="valid")
        return None

    def _generate_one(self, name: str, fixture: GenerationFixture) -> None:
        try:
            generation = create_generation(self.client, name, fixture)
        except CheckOutcome as outcome:
            self._generations[name] = outcome
            return
        self._generations[name] = generation
        self.adopt_generation(generation)

    def adopt_generation(self, generation: ObservedGeneration) -> None:
        """Record a generation that was created elsewhere, and poll a task until it has ended."""
        self.history.append(generation)
        with self.in_progress(generation):
            if generation.exchange.status == 202 and generation.id:
                reads = [partial(polling.poll_until_final, self.client, generation)]
                if generation.name.endswith("_async") or generation.payer != "valid":
                    read = polling.read_with_other_keys
                    reads.insert(0, partial(read, self.client, generation, self.second_key))
                list(self.run_batch(reads))
            elif generation.exchange.status == 200 and generation.id:
                generation.first_read = self.fetch(generation)

    def fetch(self, generation: ObservedGeneration) -> Exchange:
        """GET a generation as its payer, at its poll_url if that leads to this implementation."""
        return polling.fetch(self.client, generation, generation.payer)

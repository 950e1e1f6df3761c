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

from . import oracle
from .deck.generate import common_fields, image_fields
from .exchange import Exchange
from .made import is_final
from .reading import answered, equal, error_code, expect, expect_error
from .reading import field as read
from .stage import Stage
from .verdicts import Broken, Inconclusive, NotAsked, OverBudget, Verdict

EXAMPLES, STEPS = 8, 10
_PAID = 3  # generations that one sequence may pay for
_AFTERWARDS = 8  # sequences that are tried to make a failing one shorter
_SIZES = ("1024x1024", "auto")
_QUALITIES = ("auto", "low", "medium", "high")


@dataclass
class Known:
    """A generation of the sequence, as the oracle sees it."""

    id: str
    n: int
    asked: Exchange
    pending: bool
    cost: int
    ticket: int = 0  # what the meter has set aside for a task that may be charged later
    last: dict[str, Any] = field(default_factory=dict)


@dataclass
class Lab:
    """What all sequences of a run share."""

    stage: Stage
    shortest: tuple[list[str], Broken] | None = None
    open: Verdict | None = None  # why a sequence could not be judged
    tries: int = 0
    paid: int = 0

    def failed(self, story: list[str], broken: Broken) -> None:
        """Keep the shortest sequence that shows something broken."""
        if self.shortest is None or len(story) < len(self.shortest[0]):
            self.shortest = (list(story), broken)

    @property
    def tired(self) -> bool:
        """Whether a failure has been looked at long enough, or nothing can be judged any more."""
        return (
            self.open is not None
            or self.stage.late
            or (self.shortest is not None and self.tries > _AFTERWARDS)
        )


class Sequence(RuleBasedStateMachine):
    """The rules; each calls the implementation and holds it to the books.

    What a rule draws never depends on what was answered, so that a sequence can be replayed.
    """

    lab: Lab

    def __init__(self) -> None:
        super().__init__()
        self.story: list[str] = []
        self.known: list[Known] = []
        self.paid = 0
        self.books = oracle.Books(0)
        self.begun = False
        if self.lab.shortest:
            self.lab.tries += 1

    # Each rule tells its step, and stops where the lab has had enough.

    def _step(self, told: str, act: Callable[[], None]) -> None:
        if self.lab.tired:
            return
        self.story.append(told)
        try:
            self._begin()
            act()
            self._balance()
        except Broken as broken:
            self.lab.failed(self.story, broken)
            raise
        except OverBudget:
            return
        except Verdict as verdict:
            self.lab.open = verdict

    def _begin(self) -> None:
        if not self.begun:
            self.begun = True
            self.books = oracle.Books(self.lab.stage.credits())

    def _balance(self) -> None:
        """What is left is the start minus the cost; a task under way may be paid for or not yet."""
        stage = self.lab.stage
        under_way = sum(known.cost for known in self.known if known.pending)
        found = stage.credits()
        if self.books.balance - under_way <= found <= self.books.balance:
            return
        if not under_way:
            found = stage.credits_settled(self.books.balance) or 0
        if found != self.books.balance:
            raise Broken(
                f"the balance is {found}",
                stage.target.exchanges[-1],
                *(known.asked for known in self.known[-2:]),
                expected=f"{self.books.balance} (started with {self.books.start})",
            )

    @rule(n=st.integers(1, 3), size=st.sampled_from(_SIZES), quality=st.sampled_from(_QUALITIES))
    def generate(self, n: int, size: str, quality: str) -> None:
        """Generate images and wait for them."""
        self._step(
            f"generate n={n} size={size} quality={quality}", lambda: self._pay(n, size, quality)
        )

    @rule(n=st.integers(1, 2), quality=st.sampled_from(_QUALITIES))
    def submit(self, n: int, quality: str) -> None:
        """Queue a task."""
        self._step(f"submit n={n} quality={quality}", lambda: self._queue(n, quality))

    @rule(which=st.integers(0, 5))
    def poll(self, which: int) -> None:
        """Read a generation of this sequence."""
        self._step(f"read generation {which}", lambda: self._read(which))

    @rule(which=st.integers(0, 5))
    def peek(self, which: int) -> None:
        """Read a generation of this sequence with another user's key."""
        self._step(f"read generation {which} as another user", lambda: self._peek(which))

    @rule(
        change=st.sampled_from(
            ({"n": 0}, {"n": 5}, {"quality": "ultra"}, {"model": "no-such-model"}, {"size": "big"})
        ),
        asynchronous=st.booleans(),
    )
    def refuse(self, change: dict[str, Any], asynchronous: bool) -> None:
        """Ask for what is not on offer."""
        more = {"async": True} if asynchronous else {}
        self._step(f"ask for {change | more}", lambda: self._refused(change | more))

    @rule(n=st.integers(1, 3), asynchronous=st.booleans())
    def fail(self, n: int, asynchronous: bool) -> None:
        """Let the provider fail."""
        if self.lab.stage.profile.provider_failure:
            kind = "task" if asynchronous else "generation"
            self._step(f"fail a {kind} of n={n}", lambda: self._fail(n, asynchronous))

    def _may_pay(self, credits: int) -> bool:
        self.paid += 1
        return self.paid <= _PAID and self.lab.stage.target.meter.left >= credits

    def _pay(self, n: int, size: str, quality: str) -> None:
        stage, cost = self.lab.stage, oracle.price(size, n)
        if not self._may_pay(cost):
            return
        exchange = stage.target.post(stage.body(n=n, size=size, quality=quality), cost=cost)
        body = expect(exchange, 200)
        common_fields(body, exchange)
        stage.claim([exchange])
        self.lab.paid += 1
        equal("succeeded", body["status"], "status", exchange)
        images = read(body, "images", list, exchange)
        equal(n, len(images), "the number of images", exchange)
        image_fields(images, exchange)
        equal(cost, read(body, "usage.credits", int, exchange), "usage.credits", exchange)
        self.books.spent += cost
        self.known.append(Known(body["id"], n, exchange, pending=False, cost=cost, last=body))
        if not any(known.pending for known in self.known):
            told = read(body, "balance.credits", int, exchange)
            equal(self.books.balance, told, "balance.credits", exchange)

    def _queue(self, n: int, quality: str) -> None:
        stage, cost = self.lab.stage, oracle.price("1024x1024", n)
        if not self._may_pay(cost):
            return
        asked = stage.body(n=n, quality=quality, **{"async": True})
        exchange = stage.target.post(asked, cost=cost)
        body = expect(exchange, 202)
        common_fields(body, exchange)
        self.lab.paid += 1
        requested = read(body, "usage.credits_requested", int, exchange)
        equal(cost, requested, "usage.credits_requested", exchange)
        ticket = stage.target.meter.hold(cost)
        self.known.append(Known(body["id"], n, exchange, pending=True, cost=cost, ticket=ticket))

    def _read(self, which: int) -> None:
        if self.known:
            self._look(self.known[which % len(self.known)])

    def _look(self, known: Known) -> Exchange:
        exchange = self.lab.stage.target.get(f"generations/{known.id}")
        body = expect(exchange, 200)
        equal(known.id, body.get("id"), "id", exchange)
        if known.last:
            for name in ("status", "aspect_ratio", "quality"):
                equal(known.last.get(name), body.get(name), f"{name} when read again", exchange)
            equal(_ids(known.last), _ids(body), "the images when read again", exchange)
        elif is_final(exchange):
            self._ended(known, body, exchange)
        return exchange

    def _ended(self, known: Known, body: dict[str, Any], exchange: Exchange) -> None:
        known.last = body
        self._over(known)
        if known.cost:
            equal("succeeded", body.get("status"), "status", exchange)
            equal(known.n, len(read(body, "images", list, exchange)), "the images", exchange)
            equal(known.cost, read(body, "usage.credits", int, exchange), "usage.credits", exchange)
            self.books.spent += known.cost
        self.lab.stage.claim([exchange])

    def _over(self, known: Known) -> None:
        known.pending = False
        self.lab.stage.target.meter.over(known.ticket)

    def _peek(self, which: int) -> None:
        if self.known and "other" in self.lab.stage.profile.keys:
            known = self.known[which % len(self.known)]
            exchange = self.lab.stage.target.get(f"generations/{known.id}", key="other")
            expect_error(exchange, 404, "notFound")

    def _refused(self, change: dict[str, Any]) -> None:
        stage = self.lab.stage
        cost = oracle.dearest() * max(int(change.get("n", 1)), 1)
        expect_error(stage.target.post(stage.body(**change), cost=cost), 400, "invalid_request")

    def _fail(self, n: int, asynchronous: bool) -> None:
        stage, cost = self.lab.stage, oracle.price("1024x1024", n)
        if stage.target.meter.left < cost:
            return
        prompt = stage.profile.provider_failure
        more = {"async": True} if asynchronous else {}
        exchange = stage.target.post(stage.body(prompt=prompt, n=n, **more), cost=cost)
        if not asynchronous:
            expect_error(exchange, 500, "generationFailed")
            return
        known = Known(expect(exchange, 202)["id"], n, exchange, pending=True, cost=0)
        self._until_it_ends(known)

    def _until_it_ends(self, known: Known) -> None:
        pause, deadline = 0.01, time.monotonic() + self.lab.stage.profile.poll_timeout
        while known.pending and time.monotonic() < deadline:
            exchange = self.lab.stage.target.get(f"generations/{known.id}")
            if answered(exchange).status == 500 and error_code(exchange) == "generationFailed":
                return
            if is_final(exchange):
                self._over(known)
                return
            time.sleep(pause)
            pause = min(pause * 1.6, 1.0)
        if known.pending:
            raise Inconclusive("the task did not end", known.asked)

    def teardown(self) -> None:
        """Wait for the tasks of this sequence, so that the next begins with a settled balance."""
        try:
            for known in self.known:
                if known.pending and not self.lab.tired:
                    self._until_it_ends(known)
        except Verdict as verdict:
            self.lab.open = self.lab.open or verdict


def _ids(body: dict[str, Any]) -> list[Any]:
    images = body.get("images")
    return [image.get("id") for image in images] if isinstance(images, list) else []


def run(stage: Stage) -> None:
    """Play random sequences; raises the verdict of the shortest that fails."""
    lab = Lab(stage)
    machine = seed(stage.seed)(type("Sequences", (Sequence,), {"lab": lab}))
    quiet = settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS,
        database=None,
        deadline=None,
        verbosity=Verbosity.quiet,
        print_blob=False,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    # What failed is in the lab, also where a replay went another way.
    with suppress(Broken, HypothesisException, ExceptionGroup):
        run_state_machine_as_test(machine, settings=quiet)
    if lab.shortest:
        story, broken = lab.shortest
        steps = "; ".join(f"{number}. {step}" for number, step in enumerate(story, 1))
        raise Broken(
            f"{broken.message}, after: {steps}", *broken.exchanges, expected=broken.expected
        )
    if lab.open:
        raise lab.open
    if not lab.paid:
        raise NotAsked("no credits were left for random sequences")

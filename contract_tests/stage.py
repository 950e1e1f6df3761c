"""The stage: what has been made on the implementation so far, each generation paid for once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

from . import oracle, polls, provision
from .clauses import DOCUMENTED
from .exchange import Exchange
from .forms import as_text
from .made import Made, json_object, whole
from .parallel import parallel
from .profile import Profile
from .reading import answered, expect, find_balance
from .recipes import PUBLISHED, RECIPES
from .sending import send
from .target import Target, Token
from .verdicts import Inconclusive, NotAsked, OverBudget, Verdict

SLOW_SECONDS = 0.5  # a synchronous generation or a task that takes longer is not waited for alone
_LONG_SECONDS = 20.0
_LAG_SECONDS, _AT_ONCE = 0.05, 6
_PATIENCE = 3.0  # seconds that a refund may take to be seen, if a task may take as long


class Free(NamedTuple):
    """Something that should have cost nothing."""

    what: str
    role: str
    before: int
    after: int
    exchange: Exchange  # the last one of it


class Stage:
    """Makes generations on demand and remembers them; the checks share one stage."""

    def __init__(self, target: Target, level: str, seed: int) -> None:
        self.target = target
        self.profile: Profile = target.profile
        self.level = level
        self.seed = seed
        self.starts: dict[str, int] = {}  # credits by role before the first generation
        self.facts: dict[str, Any] = {}
        self._made: dict[str, Made | Verdict] = {}
        self.in_order: list[Made] = []
        self.freebies: list[Free] = []
        self._bodies = 0
        self._read: dict[str, Exchange] = {}  # the last reading of the credits by role
        self._begun = time.monotonic()
        self._state = provision.load(self.profile.provision) if self.profile.provision else None

    @property
    def documented(self) -> bool:
        return self.level == DOCUMENTED

    @property
    def late(self) -> bool:
        """Whether a slow implementation has taken so long that nothing random is begun any more."""
        return time.monotonic() - self._begun > _LONG_SECONDS

    @property
    def laggy(self) -> bool:
        """Whether answers take so long that what does not depend on each other is sent together."""
        first = sorted(exchange.seconds for exchange in self.target.exchanges[:5])
        return len(first) == 5 and first[2] > _LAG_SECONDS

    def together(
        self, calls: Sequence[Callable[[], Exchange]], *, cost: int = 0
    ) -> Iterator[Exchange]:
        """What *calls* give, in their order; one after the other where answers come quickly.

        *cost* is what each may cost at the worst, in credits.
        """
        meter, size = self.target.meter, 1
        if self.laggy:
            if _AT_ONCE * cost > meter.left:
                meter.settle()
            size = max(1, min(_AT_ONCE, meter.left // cost if cost else _AT_ONCE))
        for at in range(0, len(calls), size):
            yield from parallel(calls[at : at + size])

    def remember(self, name: str, make: Callable[[], Any]) -> Any:
        """What *make* gives, made once; a verdict that it raised is raised again."""
        if name not in self.facts:
            try:
                self.facts[name] = make()
            except Verdict as verdict:
                self.facts[name] = verdict
        found = self.facts[name]
        if isinstance(found, Verdict):
            raise found
        return found

    # Credits

    def credits(self, role: str = "valid") -> int:
        """What the account of *role* has now."""
        exchange = self._read[role] = self.target.get("credits", key=role)
        return find_balance(expect(exchange, 200), exchange)

    def credits_or_none(self, role: str = "valid") -> int | None:
        try:
            return self.credits(role)
        except (OverBudget, NotAsked):
            raise
        except Verdict:
            return None

    def credits_settled(self, expected: int, role: str = "valid") -> int | None:
        """The credits as soon as they are *expected*, or what they are when patience is over."""
        pause, deadline = 0.02, time.monotonic() + min(_PATIENCE, self.profile.poll_timeout)
        while True:
            found = self.credits_or_none(role)
            if found == expected or found is None or time.monotonic() > deadline:
                return found
            time.sleep(pause)
            pause = min(pause * 2, 0.4)

    def start(self, role: str) -> int:
        """What the account of *role* had at the beginning."""
        if role not in self.starts:
            self.starts[role] = self.credits(role)
        return self.starts[role]

    def lost(self) -> int | None:
        """Credits that have left all accounts together, or None if one cannot be read."""
        total = 0
        for role, start in self.starts.items():
            now = self.credits_or_none(role)
            if now is None:
                return None
            total += max(0, start - now)
        return total

    @contextmanager
    def free(self, what: str, role: str = "valid") -> Iterator[None]:
        """Note whether the credits of *role* are the same after what is done within (LED-1)."""
        before = self._unmoved(role) if role in self.starts else None
        try:
            yield
        finally:
            if before is not None and (after := self.credits_or_none(role)) is not None:
                self.freebies.append(Free(what, role, before, after, self.target.exchanges[-2]))

    def _unmoved(self, role: str) -> int | None:
        """The credits of *role*, read anew if anything but a GET was sent since the last time."""
        exchanges = self.target.exchanges
        for exchange in reversed(exchanges):
            if exchange.ask.method != "GET":
                break
            if exchange.status == 200 and exchange is self._read.get(role):
                return find_balance(expect(exchange, 200), exchange)
        return self.credits_or_none(role)

    def body(self, **changes: Any) -> dict[str, Any]:
        """An ordinary request with *changes*; a change to `...` leaves the field out."""
        self._bodies += 1
        prompt = f"A paper boat, {self.seed}-{self._bodies}"
        usual = {"model": oracle.MODEL, "prompt": prompt, "size": "1024x1024", "n": 1}
        return {name: value for name, value in {**usual, **changes}.items() if value is not ...}

    def form(self, **changes: Any) -> dict[str, str]:
        """The same as the texts of a form."""
        return {name: as_text(value) for name, value in self.body(**changes).items()}

    def accepted_unasked(self) -> bool:
        """Whether requests with the valid key were accepted that are no generations of ours."""
        valid = f"Bearer {self.profile.keys['valid']}"
        accepted = [
            exchange
            for exchange in self.target.exchanges
            if exchange.ask.method == "POST"
            and exchange.status in (200, 202)
            and exchange.ask.headers.get("Authorization") in (valid, None)
        ]
        return len(accepted) > sum(made.accepted for made in self.in_order)

    def claim(self, exchanges: Sequence[Exchange]) -> None:
        """Tell the meter what answers say that they cost."""
        for exchange in exchanges:
            usage = json_object(exchange).get("usage")
            credits = whole(usage.get("credits")) if isinstance(usage, dict) else None
            if exchange.status == 200 and credits:
                self.target.meter.over(self.target.meter.hold(0), claimed=credits)

    # States that a provision makes

    def state(self, name: str, fact: str, **params: Any) -> str:
        """A *fact* of a state that the profile's provision makes, made once."""
        made: str = self.remember(
            f"state {name} {params}", lambda: provision.ask(self._state, name, fact, **params)
        )
        return made

    def key(self, name: str, **params: Any) -> Token:
        """A key that the provision makes; reports show it as a variable."""
        raw = self.state(name, "key", **params)
        self.target.keep_secret(raw, f"$MOCKHUB_KEY_{name.upper()}")
        return Token(raw)

    # Generations

    def made(self, name: str) -> Made:
        """The generation of a recipe, made now if it is not there yet."""
        if name not in self._made:
            self._make_all([name])
        found = self._made[name]
        if isinstance(found, Verdict):
            raise found
        return found

    def good(self, name: str) -> Made:
        """A generation that was accepted and, if it was a task, has ended."""
        made = self.made(name)
        answered(made.exchange)
        if not made.accepted:
            raise Inconclusive(
                f"the generation that this needs was answered {made.exchange.status}", made.exchange
            )
        if made.exchange.status == 202 and not made.ended:
            raise Inconclusive("the task that this needs did not end", *made.polls[-1:])
        return made

    def plain(self, name: str) -> Made:
        """A generation that succeeded; sizes beyond the page's two may be refused."""
        made = self.made(name)
        if made.exchange.status == 400 and made.size not in PUBLISHED:
            raise NotAsked(f"the size {made.size} is not offered here", made.exchange)
        return self.good(name)

    def prefetch(self, names: Sequence[str], *, tasks: bool) -> None:
        """On a slow implementation, make what will be needed side by side."""
        group = [
            name
            for name in names
            if name not in self._made
            and bool(RECIPES[name].asynchronous) is tasks
            and (tasks or not RECIPES[name].trigger)
        ]
        if len(group) > 1:
            self._make_all(group)

    def _make_all(self, names: Sequence[str]) -> None:
        """Make several at once; what one costs is then known only of all together."""
        alone = len(names) == 1
        before, other = self._both()
        if alone:
            self._make_one(names[0], before)
        else:
            parallel([partial(self._make_one, name, None) for name in names])
        group = [made for name in names if isinstance(made := self._made[name], Made)]
        for made in group:
            made.before, made.alone, made.bystander = before, alone, other
        if group:
            self._balance(group, before)
            self.facts.setdefault("groups", []).append(group)

    def _balance(self, group: list[Made], before: int | None) -> None:
        """Read what is left: at once after an answer, as soon as a refund is seen after a task."""
        expected = (before or 0) - sum(made.used or 0 for made in group)
        refunds = any(made.recipe.trigger or made.exchange.status == 202 for made in group)
        after, other = self._both()
        if refunds and after != expected:
            after = self.credits_settled(expected)
        for made in group:
            made.after, made.bystanding = after, other
            if made.ended:
                made.polls += [self.read(made), self.read(made)]
        if any(made.ended for made in group):
            later = self.credits_or_none()
            for made in group:
                made.later = later

    def _both(self) -> tuple[int | None, int | None]:
        """What the payer has, and what another user has."""
        roles = ["valid", *(["other"] if "other" in self.profile.keys else [])]
        found = parallel([partial(self.credits_or_none, role) for role in roles])
        return found[0], found[1] if len(found) > 1 else None

    def _make_one(self, name: str, before: int | None) -> None:
        try:
            made = send(self.target, name)
            self._made[name] = made
            self.in_order.append(made)
        except Verdict as verdict:
            self._made[name] = verdict
            return
        ticket = self.target.meter.hold(oracle.price(made.size, made.n) if made.accepted else 0)
        if made.exchange.status == 202 and made.id:
            if name == "page_async":
                polls.peek(self.target, made)
            polls.follow(self.target, made)
        self.target.meter.over(ticket, claimed=made.used or 0)

    def follow(self, made: Made) -> None:
        """Take a task in that was submitted elsewhere, and poll it until it has ended."""
        self.in_order.append(made)
        ticket = self.target.meter.hold(oracle.price(made.size, made.n))
        if made.id and made.exchange.status == 202:
            polls.follow(self.target, made)
        self.target.meter.over(ticket, claimed=made.used or 0)

    def read(self, made: Made, role: str = "valid") -> Exchange:
        """GET a generation, at its poll_url where that leads to this implementation."""
        return polls.read(self.target, made, role)

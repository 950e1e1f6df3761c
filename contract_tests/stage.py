"""The stage: what has been made on the implementation so far, each generation paid for once."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

from . import oracle, provision, recipes
from .clauses import DOCUMENTED
from .exchange import Exchange
from .profile import Profile
from .reading import answered, expect, find_balance
from .recipes import PUBLISHED, RECIPES, Recipe
from .target import Target, Token, is_loopback
from .verdicts import Inconclusive, NotAsked, OverBudget, Verdict

SLOW_SECONDS = 0.5  # a synchronous generation or a task that takes longer is not waited for alone
_LONG_SECONDS = 20.0
_LAG_SECONDS, _AT_ONCE = 0.05, 6
_PATIENCE = 3.0  # seconds that a refund may take to be seen
_FIRST_PAUSE, _LONGEST_PAUSE = 0.01, 1.0
_FINAL = ("succeeded", "failed")


@dataclass
class Made:
    """A generation as it was asked for and everything that was seen of it."""

    name: str
    recipe: Recipe
    n: int
    size: str
    exchange: Exchange
    before: int | None = None  # the payer's credits just before, and after it had ended
    after: int | None = None
    bystander: int | None = None  # another user's credits before, and after
    bystanding: int | None = None
    later: int | None = None  # and once more, when it had been read again
    alone: bool = True  # nothing else moved the payer's credits meanwhile
    polls: list[Exchange] = field(default_factory=list)
    peeks: dict[str, Exchange] = field(default_factory=dict)  # other users' reads meanwhile
    ended: bool = False

    @property
    def accepted(self) -> bool:
        return self.exchange.status in (200, 202)

    @property
    def body(self) -> dict[str, Any]:
        """The answer to the POST, or nothing if it is no object."""
        return _object(self.exchange)

    @property
    def final(self) -> dict[str, Any]:
        """What is last known of it: the answer, or the first poll that found it ended."""
        if self.exchange.status != 202:
            return self.body
        return _object(self.last) if self.last else {}

    @property
    def last(self) -> Exchange | None:
        """The poll that found it ended."""
        for poll in self.polls:
            if is_final(poll):
                return poll
        return None

    @property
    def witness(self) -> Exchange:
        """The exchange that `final` was read from."""
        return self.last or self.exchange

    @property
    def id(self) -> str | None:
        found = self.body.get("id")
        return found if isinstance(found, str) and found else None

    @property
    def refused(self) -> bool:
        """Whether a poll was answered 500: a failed task may read so (ASY-7 is inferred)."""
        return not self.ended and any(poll.status == 500 for poll in self.polls)

    @property
    def used(self) -> int | None:
        """`usage.credits` of `final`."""
        usage = self.final.get("usage")
        if self.refused or (self.final.get("status") == "failed" and usage is None):
            return 0  # how a failure shows its refund is open
        return whole(usage.get("credits")) if isinstance(usage, dict) else None


def whole(value: Any) -> int | None:
    """*value* as an integer, if it is a whole number of JSON's."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def is_final(poll: Exchange) -> bool:
    return poll.status == 200 and _object(poll).get("status") in _FINAL


def _object(exchange: Exchange) -> dict[str, Any]:
    try:
        body = exchange.parsed()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


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
        pause, deadline = 0.02, time.monotonic() + _PATIENCE
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
            usage = _object(exchange).get("usage")
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
            made = self._send(name)
            self._made[name] = made
            self.in_order.append(made)
        except Verdict as verdict:
            self._made[name] = verdict
            return
        ticket = self.target.meter.hold(oracle.price(made.size, made.n) if made.accepted else 0)
        if made.exchange.status == 202 and made.id:
            if name == "page_async":
                self._peek(made)
            self._poll(made)
        self.target.meter.over(ticket, claimed=made.used or 0)

    def _send(self, name: str) -> Made:
        recipe = RECIPES[name]
        exchange = self._post(recipe, recipe.size)
        size = recipe.size
        replaceable = recipe.asynchronous or recipe.trigger or recipe.files
        if exchange.status == 400 and size not in PUBLISHED and replaceable:
            size = "1024x1024"
            exchange = self._post(recipe, size)
        return Made(name, recipe, self._prompt(recipe)[1], size or "auto", exchange)

    def _post(self, recipe: Recipe, size: str | None) -> Exchange:
        prompt, n = self._prompt(recipe)
        fields = recipe.fields(prompt) | ({"size": size} if size else {})
        if recipe.n is not None:
            fields["n"] = n
        cost = oracle.price(size or "auto", n)
        if recipe.form:
            text = {key: as_text(value) for key, value in fields.items()}
            return self.target.post(form=text, files=recipes.files(recipe.files), cost=cost)
        return self.target.post(json=fields, cost=cost)

    def _prompt(self, recipe: Recipe) -> tuple[str, int]:
        if recipe.trigger == "provider_failure":
            if not self.profile.provider_failure:
                raise NotAsked("the profile has no triggers.provider_failure")
            return self.profile.provider_failure, recipe.count
        if recipe.trigger == "partial":
            if not self.profile.partial:
                raise NotAsked("the profile has no triggers.partial")
            return self.profile.partial.prompt, self.profile.partial.n
        return recipe.prompt, recipe.count

    def follow(self, made: Made) -> None:
        """Take a task in that was submitted elsewhere, and poll it until it has ended."""
        self.in_order.append(made)
        ticket = self.target.meter.hold(oracle.price(made.size, made.n))
        if made.id and made.exchange.status == 202:
            self._poll(made)
        self.target.meter.over(ticket, claimed=made.used or 0)

    def _peek(self, made: Made) -> None:
        """Read a task with other users' keys while it may still be running."""
        for role in ("other", "low", "broke"):
            if role in self.profile.keys:
                made.peeks[role] = self.read(made, role)

    def _poll(self, made: Made) -> None:
        """Read a task until it has ended, politely, and then some times more."""
        pause, deadline = _FIRST_PAUSE, time.monotonic() + self.profile.poll_timeout
        # A refund must be made once, however many look for it at the same moment.
        reads = 3 if made.recipe.trigger == "partial" else 1
        while not made.ended:
            made.polls += parallel([lambda: self.read(made)] * reads)
            made.ended = any(is_final(poll) for poll in made.polls)
            if made.ended or time.monotonic() > deadline:
                break
            if len(made.polls) > 2 and all(poll.status >= 400 for poll in made.polls[-3:]):
                break
            time.sleep(pause)
            pause = min(pause * 1.6, _LONGEST_PAUSE)

    def read(self, made: Made, role: str = "valid") -> Exchange:
        """GET a generation, at its poll_url where that leads to this implementation."""
        return self.target.get(self._address(made, role), key=role)

    def _address(self, made: Made, role: str) -> str:
        poll_url = made.body.get("poll_url")
        if role == "valid" and isinstance(poll_url, str) and self.ours(poll_url):
            return poll_url
        return f"generations/{quote(made.id or '', safe='')}"

    def ours(self, url: str) -> bool:
        """Whether *url* may be given a key: it leads to the implementation, or to this machine."""
        try:
            split, base = urlsplit(url), urlsplit(self.profile.base_url)
            if (split.scheme, split.netloc) == (base.scheme, base.netloc):
                return True
            near = self.target.loopback and is_loopback(url)
            return near and (split.scheme, split.port) == (base.scheme, base.port)
        except ValueError:
            return False


def parallel(calls: Sequence[Callable[[], Any]]) -> list[Any]:
    """The results of *calls*, made at the same time."""
    if len(calls) == 1:
        return [calls[0]()]
    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result() for future in [pool.submit(call) for call in calls]]


def as_text(value: Any) -> str:
    """A value as a form's text."""
    return value if isinstance(value, str) else json.dumps(value)

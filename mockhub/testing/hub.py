"""The handle of one hub: what a test may ask of a world, and do to it."""

from __future__ import annotations

import re
from collections.abc import Callable
from copy import copy
from threading import Event
from typing import TYPE_CHECKING, Any, Self, TypeVar

from mockhub.spec.errors import MockhubError
from mockhub.testing import claims
from mockhub.testing.exchanges import Journal, many, read
from mockhub.testing.handles import Accounts, Clock, Duration, Keys, Moment, milliseconds
from mockhub.testing.recipes import Recipe, directives, outcomes, spent, template
from mockhub.world.faults import restrict
from mockhub.world.generations import Generation
from mockhub.world.hub import Hub as World
from mockhub.world.report import Report, report

if TYPE_CHECKING:
    import httpx

    from mockhub.testing.site import Site

T = TypeVar("T")


class Hub:
    """One isolated world in the hand of a test; a context manager that drops it.

    Example:
        >>> with mockhub.running(credits=8, provider="fail") as hub:
        ...     body = {"model": "gpt-image-2", "prompt": "A cat"}
        ...     answer = hub.client().post("/images/generations", json=body)
        ...     hub.assert_generated(prompt="A cat", status="failed", times=1)
        >>> answer.status_code, hub.account.credits
        (500, 8)

    Attributes:
        name: its name on the server.
        url: where its API is, without ``/api/v1``.
        base_url: the same with ``/api/v1``, as the OpenAI SDKs want it.
        server_url: the server's own address; there the hub's keys alone lead to the hub.
        key: an API key of the first user.
        account: the first user; `accounts` are all of them by name.
        keys: makes, revokes and expires keys.
        clock: moves the hub's time.
    """

    def __init__(self, site: Site, world: World, *, alone: bool) -> None:
        self._site = site
        self._world = world
        self._alone = alone
        self._reached = False
        self._clients: list[httpx.Client] = []
        self._before = self._total()
        self._began_with = frozenset(world.generations)
        self._astray = site.store.default.journal.made
        self._checked = 0  # up to which exchange
        self.name = world.name
        self.server_url = site.url
        self.url = site.url if alone else f"{site.url}/hubs/{self.name}"
        self._prefix = world.law.operations["get_credits"].path.rpartition("/")[0]
        self.base_url = self.url + self._prefix
        self.accounts = Accounts(world, self._call)
        self.account = next(iter(self.accounts.values()))
        self.key = self.account.key
        self.keys = Keys(world, self.accounts, self._call)
        self.clock = Clock(world, self._call)
        world.remember_start()
        self._violations = site.call(lambda: site.open(world))
        self._reached = True

    @classmethod
    def make(cls, site: Site, recipe: Recipe, name: str | None = None) -> Self:
        """A fresh hub of *site*, called like *name*, or without one the site's only hub."""
        own = site.store.default.name if name is None else site.name(name)
        return cls(site, template(recipe).fork(own), alone=name is None)

    def __repr__(self) -> str:
        return f"<Hub {self.name!r} at {self.url}>"

    # -- clients -----------------------------------------------------------------------------------

    def client(self, key: str | None = None, **options: Any) -> httpx.Client:
        """An httpx client with a key; its paths are ``/credits`` or ``/api/v1/credits``.

        Raises:
            MockhubError: in process, where only `async_client` works.
        """
        from mockhub.testing.clients import Client

        if self._alone:
            raise MockhubError(
                "ASGI has no socket for a synchronous client: use async_client(), Starlette's "
                "TestClient, or mockhub.running()"
            )
        client = Client(self.url, self._prefix, key or self.key, options)
        self._clients.append(client)
        return client

    def async_client(self, key: str | None = None, **options: Any) -> httpx.AsyncClient:
        """As `client`, for asynchronous code; close it, or use it in `async with`."""
        from httpx import ASGITransport

        from mockhub.testing.clients import AsyncClient

        if self._alone:
            options.setdefault("transport", ASGITransport(self._site.app))
        return AsyncClient(self.url, self._prefix, key or self.key, options)

    # -- misbehaviour ------------------------------------------------------------------------------

    def reset(self) -> None:
        """Begin again: the world as the hub was made, with the same key and an empty journal."""
        self._call(lambda: self._site.store.reset(self.name))

    def arm(
        self,
        faults: str,
        *,
        times: int | None = None,
        p: float | None = None,
        on: str | None = None,
        nth: int | None = None,
        prompt: str | None = None,
    ) -> None:
        """Arm faults, such as ``drop@after`` or ``status=503 x2``; their counters start anew.

        Args:
            faults: in the grammar of the magic prompts.
            times: how often each strikes.
            p: how likely, from 0 to 1; seeded.
            on: the operation, such as ``get_credits``.
            nth: the call that it strikes, counted from 1.
            prompt: what the prompt has to contain.

        Raises:
            MockhubError: naming the word and the closest known one.
        """
        conditions = {"times": times, "p": p, "on": on, "nth": nth, "prompt": prompt}
        found = [restrict(one, **conditions) for one in directives([faults])]
        self._call(lambda: self._world.faults.arm(found))

    def disarm(self) -> None:
        """Let no armed fault strike any more."""
        self._call(self._world.faults.clear)

    def provider(self, *script: str) -> None:
        """Script the provider, one outcome a generation, such as ``deliver=3 take=2s``.

        The last outcome repeats.

        Raises:
            MockhubError: naming the word that is not the provider's doing.
        """
        self._world.provider = outcomes(script)

    def grant(
        self,
        credits: int,
        *,
        expires_at: Moment | None = None,
        expires_in: Duration | None = None,
    ) -> None:
        """Give the first user credits, for ever or until a time; raises MockhubError."""
        self.account.grant(credits, expires_at=expires_at, expires_in=expires_in)

    # -- what happened -----------------------------------------------------------------------------

    @property
    def asked(self) -> int:
        """How many requests have been answered since the hub began."""
        return self._world.journal.made

    @property
    def journal(self) -> Journal:
        """The exchanges as the client saw them, oldest first; the last thousand are kept."""
        return Journal([read(record) for record in self._call(lambda: list(self._world.journal))])

    @property
    def generations(self) -> tuple[Generation, ...]:
        """What was accepted since the hub began, oldest first, as it stands now."""

        def settled() -> tuple[Generation, ...]:
            self._world.settle()
            return tuple(self._world.generations.values())

        return tuple(one for one in self._call(settled) if one.id not in self._began_with)

    def images(self, generation: str | None = None) -> list[bytes]:
        """The files that image URLs lead to: of one generation by its id, or of all.

        Raises:
            MockhubError: if there is no such generation.
        """
        from mockhub.world.images import draw, picture_of

        found = [one for one in self.generations if generation in (None, one.id)]
        if generation is not None and not found:
            raise MockhubError(f"there is no generation {generation!r} in this hub")
        world = self._world
        return [
            draw(picture_of(one, index, seed=world.ids.seed, format=world.image_format))
            for one in found
            for index in range(one.delivered)
        ]

    @property
    def spent(self) -> int:
        """What the images cost since the hub began, refunds taken off."""
        return self._call(self._total) - self._before

    def wait_for_generations(self, count: int = 1, *, timeout: float = 5.0) -> None:
        """Wait until so many generations have been accepted, from a thread that asks for none.

        Raises:
            AssertionError: after *timeout* real seconds.
        """
        __tracebackhide__ = True
        moved = Event()
        self._call(lambda: self._world.listeners.append(moved.set))
        try:
            while (made := len(self.generations)) < count:
                moved.clear()
                if len(self.generations) == made and not moved.wait(timeout):
                    self._fail(f"waited in vain for {many(count, 'generation')}; there are {made}")
        finally:
            self._call(lambda: self._world.listeners.remove(moved.set))

    # -- claims ------------------------------------------------------------------------------------

    def assert_generated(
        self,
        *,
        prompt: str | re.Pattern[str] | None = None,
        n: int | None = None,
        times: int | None = None,
        **fields: Any,
    ) -> None:
        """Claim that such a generation was accepted: at least one, or exactly so many.

        Args:
            prompt: the whole prompt, or a pattern that is found in it.
            n: how many images were asked for.
            times: exactly how many such generations there are; 0 for none.
            fields: `model`, `size`, `quality`, `run_async`, `references` (how many), and of its
                end `status`, `delivered` and `credits`.

        Raises:
            AssertionError: with the requests that come closest, and the journal.
        """
        __tracebackhide__ = True
        wanted = {"prompt": prompt, "n": n}
        wanted = {name: value for name, value in wanted.items() if value is not None} | fields
        if wrong := claims.generated(self.generations, self.journal, wanted, times):
            self._fail(wrong)

    def assert_spent(self, credits: int) -> None:
        """Claim what the images cost since the hub began, refunds taken off.

        Raises:
            AssertionError: with the journal.
        """
        __tracebackhide__ = True
        if credits != self.spent:
            self._fail(f"expected {credits} credits to be spent; {self.spent} were")

    def assert_no_double_charge(self) -> None:
        """Claim that nothing was paid for twice, as after a retry of a lost answer.

        Raises:
            AssertionError: naming the exchanges, with the journal.
        """
        __tracebackhide__ = True
        found = [one for one in self.report().findings if one.kind == "double_charge"]
        if found:
            self._fail("\n".join(f"{one.what}\n  instead: {one.instead}" for one in found))

    def report(self, *, poll_every: Duration = 1) -> Report:
        """What the client did wrong, and how much of the contract it has met.

        Args:
            poll_every: the shortest pause between polls that is not told as a mistake.

        Raises:
            MockhubError: if that cannot be read.
        """
        pause = milliseconds(poll_every)
        return self._call(lambda: report(self._world, poll_every=pause))

    def check(self) -> None:
        """Claim that the server kept its own law; each breach is told once.

        Raises:
            AssertionError: naming the answers that broke it, or the books that do not agree.
        """
        __tracebackhide__ = True
        stray = self._site.stray_violations
        if self.asked == self._checked and not stray:
            return
        self._checked = self.asked
        wrong = list(dict.fromkeys([*self._violations, *stray]))
        self._violations.clear()
        stray.clear()
        if wrong := wrong + self._call(self._world.audit):
            self._fail("\n  ".join(["mockhub broke its own law; please report it:", *wrong]))

    def story(self) -> str:
        """The journal as a table, and what reached the server without a way to any hub."""
        stray = self._site.store.default.journal
        since = [] if self._alone else [one for one in stray if one.number > self._astray]
        if not since:
            return str(self.journal)
        told = "\n".join(str(read(one)) for one in since)
        return f"{self.journal}\nOf no hub, for want of its key or of /hubs/{self.name}:\n{told}"

    def _fail(self, message: str) -> None:
        __tracebackhide__ = True
        raise AssertionError(f"{message}\n\n{self.story()}")

    # -- its end -----------------------------------------------------------------------------------

    def close(self) -> None:
        """Drop it from the server; what it saw can still be asked for."""

        def leave() -> None:
            world, self._world = self._world, copy(self._world)
            self._world.generations = dict(world.generations)  # a dropped world forgets them
            self._site.close(world)

        for client in self._clients:
            client.close()
        self._call(leave)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _call(self, function: Callable[[], T]) -> T:
        return self._site.call(function) if self._reached else function()

    def _total(self) -> int:
        return sum(spent(account) for account in self._world.accounts.values())

"""The handle of one hub: what a test may ask of a world, and do to it."""

from __future__ import annotations

import re
from collections.abc import Callable
from copy import copy
from threading import Event
from typing import TYPE_CHECKING, Any, Self, TypeVar

from mockhub._text import plural
from mockhub.client_report.report import ClientReport, build_report
from mockhub.domain.generations import Generation
from mockhub.domain.hub import HubBackend
from mockhub.exceptions import MockhubError
from mockhub.faults.grammar import with_conditions
from mockhub.spec.operations import OperationId
from mockhub.testing import assertions
from mockhub.testing.config import (
    HubConfig,
    credits_spent,
    parse_all_directives,
    parse_provider,
    prototype_hub,
)
from mockhub.testing.exchanges import JournalView, to_exchange_view
from mockhub.testing.handles import (
    AccountsHandle,
    ClockHandle,
    Duration,
    KeysHandle,
    Timestamp,
    duration_ms,
)

if TYPE_CHECKING:
    import httpx

    from mockhub.testing.app_host import AppHost

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

    def __init__(self, app_host: AppHost, backend: HubBackend, *, in_process: bool) -> None:
        self._app_host = app_host
        self._backend = backend
        self._in_process = in_process
        self._on_server = False
        self._clients: list[httpx.Client] = []
        self._spent_before = self._total_spent()
        self._initial_generations = frozenset(backend.generations)
        self._unrouted_count = app_host.hub_registry.default.journal.total
        self._checked_count = 0  # up to which exchange
        self.name = backend.name
        self.server_url = app_host.url
        self.url = app_host.url if in_process else f"{app_host.url}/hubs/{self.name}"
        self._api_prefix = backend.spec.operations[OperationId.GET_CREDITS].path.rpartition("/")[0]
        self.base_url = self.url + self._api_prefix
        self.accounts = AccountsHandle(backend, self._run_on_server)
        self.account = next(iter(self.accounts.values()))
        self.key = self.account.key
        self.keys = KeysHandle(backend, self.accounts, self._run_on_server)
        self.clock = ClockHandle(backend, self._run_on_server)
        backend.save_snapshot()
        self._spec_violations = app_host.run_on_server(lambda: app_host.add_hub(backend))
        self._on_server = True

    @classmethod
    def create(cls, app_host: AppHost, config: HubConfig, name: str | None = None) -> Self:
        """A fresh hub of *site*, called like *name*, or without one the site's only hub."""
        hub_name = (
            app_host.hub_registry.default.name if name is None else app_host.unique_name(name)
        )
        return cls(app_host, prototype_hub(config).fork(hub_name), in_process=name is None)

    def __repr__(self) -> str:
        return f"<Hub {self.name!r} at {self.url}>"

    # -- clients -----------------------------------------------------------------------------------

    def client(self, key: str | None = None, **options: Any) -> httpx.Client:
        """An httpx client with a key; its paths are ``/credits`` or ``/api/v1/credits``.

        Raises:
            MockhubError: in process, where only `async_client` works.
        """
        from mockhub.testing.clients import HubClient

        if self._in_process:
            raise MockhubError(
                "ASGI has no socket for a synchronous client: use async_client(), Starlette's "
                "TestClient, or mockhub.running()"
            )
        client = HubClient(self.url, self._api_prefix, key or self.key, options)
        self._clients.append(client)
        return client

    def async_client(self, key: str | None = None, **options: Any) -> httpx.AsyncClient:
        """As `client`, for asynchronous code; close it, or use it in `async with`."""
        from httpx import ASGITransport

        from mockhub.testing.clients import AsyncHubClient

        if self._in_process:
            options.setdefault("transport", ASGITransport(self._app_host.app))
        return AsyncHubClient(self.url, self._api_prefix, key or self.key, options)

    # -- misbehaviour ------------------------------------------------------------------------------

    def reset(self) -> None:
        """Begin again: the world as the hub was made, with the same key and an empty journal."""
        self._run_on_server(lambda: self._app_host.hub_registry.reset(self.name))

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
        """Arm faults, such as ``reset@after`` or ``status=503 x2``; their counters start anew.

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
        armed = [with_conditions(one, **conditions) for one in parse_all_directives([faults])]
        self._run_on_server(lambda: self._backend.faults.arm(armed))

    def disarm(self) -> None:
        """Let no armed fault strike any more."""
        self._run_on_server(self._backend.faults.clear)

    def provider(self, *script: str) -> None:
        """Script the provider, one outcome a generation, such as ``deliver=3 duration=2s``.

        The last outcome repeats.

        Raises:
            MockhubError: naming the word that is not the provider's doing.
        """
        self._backend.provider = parse_provider(script)

    def grant(
        self,
        credits: int,
        *,
        expires_at: Timestamp | None = None,
        expires_in: Duration | None = None,
    ) -> None:
        """Give the first user credits, for ever or until a time; raises MockhubError."""
        self.account.grant(credits, expires_at=expires_at, expires_in=expires_in)

    # -- what happened -----------------------------------------------------------------------------

    @property
    def request_count(self) -> int:
        """How many requests have been answered since the hub began."""
        return self._backend.journal.total

    @property
    def journal(self) -> JournalView:
        """The exchanges as the client saw them, oldest first; the last thousand are kept."""
        return JournalView(
            [
                to_exchange_view(record)
                for record in self._run_on_server(lambda: list(self._backend.journal))
            ]
        )

    @property
    def generations(self) -> tuple[Generation, ...]:
        """What was accepted since the hub began, oldest first, as it stands now."""

        def settled() -> tuple[Generation, ...]:
            self._backend.settle()
            return tuple(self._backend.generations.values())

        return tuple(
            one for one in self._run_on_server(settled) if one.id not in self._initial_generations
        )

    def images(self, generation: str | None = None) -> list[bytes]:
        """The files that image URLs lead to: of one generation by its id, or of all.

        Raises:
            MockhubError: if there is no such generation.
        """
        from mockhub.images.renderer import image_spec, render

        selected = [one for one in self.generations if generation in (None, one.id)]
        if generation is not None and not selected:
            raise MockhubError(f"there is no generation {generation!r} in this hub")
        backend = self._backend
        return [
            render(image_spec(one, index, seed=backend.ids.seed, format=backend.image_format))
            for one in selected
            for index in range(one.delivered)
        ]

    @property
    def credits_spent(self) -> int:
        """What the images cost since the hub began, refunds taken off."""
        return self._run_on_server(self._total_spent) - self._spent_before

    def wait_for_generations(self, count: int = 1, *, timeout: float = 5.0) -> None:
        """Wait until so many generations have been accepted, from a thread that asks for none.

        Raises:
            AssertionError: after *timeout* real seconds.
        """
        __tracebackhide__ = True
        changed = Event()
        self._run_on_server(lambda: self._backend.listeners.append(changed.set))
        try:
            while (accepted := len(self.generations)) < count:
                changed.clear()
                if len(self.generations) == accepted and not changed.wait(timeout):
                    self._fail(
                        f"timed out waiting for {plural(count, 'generation')}; there are {accepted}"
                    )
        finally:
            self._run_on_server(lambda: self._backend.listeners.remove(changed.set))

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
        criteria = {"prompt": prompt, "n": n}
        criteria = {name: value for name, value in criteria.items() if value is not None} | fields
        if message := assertions.check_generated(self.generations, self.journal, criteria, times):
            self._fail(message)

    def assert_spent(self, credits: int) -> None:
        """Claim what the images cost since the hub began, refunds taken off.

        Raises:
            AssertionError: with the journal.
        """
        __tracebackhide__ = True
        if credits != self.credits_spent:
            self._fail(f"expected {credits} credits to be spent; {self.credits_spent} were")

    def assert_no_double_charge(self) -> None:
        """Claim that nothing was paid for twice, as after a retry of a lost answer.

        Raises:
            AssertionError: naming the exchanges, with the journal.
        """
        __tracebackhide__ = True
        findings = [one for one in self.report().findings if one.kind == "double_charge"]
        if findings:
            self._fail(
                "\n".join(f"{one.summary}\n  suggestion: {one.suggestion}" for one in findings)
            )

    def report(self, *, min_poll_interval: Duration = 1) -> ClientReport:
        """What the client did wrong, and how much of the contract it has met.

        Args:
            min_poll_interval: the shortest pause between polls that is not told as a mistake.

        Raises:
            MockhubError: if that cannot be read.
        """
        interval_ms = duration_ms(min_poll_interval)
        return self._run_on_server(
            lambda: build_report(self._backend, min_poll_interval=interval_ms)
        )

    def assert_no_spec_violations(self) -> None:
        """Claim that the server kept its own law; each breach is told once.

        Raises:
            AssertionError: naming the answers that broke it, or the books that do not agree.
        """
        __tracebackhide__ = True
        unrouted = self._app_host.unrouted_violations
        if self.request_count == self._checked_count and not unrouted:
            return
        self._checked_count = self.request_count
        violations = list(dict.fromkeys([*self._spec_violations, *unrouted]))
        self._spec_violations.clear()
        unrouted.clear()
        if violations := violations + self._run_on_server(self._backend.audit):
            self._fail("\n  ".join(["internal mockhub error, please report it:", *violations]))

    def format_journal(self) -> str:
        """The journal as a table, and what reached the server without a way to any hub."""
        unrouted_journal = self._app_host.hub_registry.default.journal
        new_exchanges = (
            []
            if self._in_process
            else [one for one in unrouted_journal if one.number > self._unrouted_count]
        )
        if not new_exchanges:
            return str(self.journal)
        lines = "\n".join(str(to_exchange_view(one)) for one in new_exchanges)
        return f"{self.journal}\nOf no hub, for want of its key or of /hubs/{self.name}:\n{lines}"

    def _fail(self, message: str) -> None:
        __tracebackhide__ = True
        raise AssertionError(f"{message}\n\n{self.format_journal()}")

    # -- its end -----------------------------------------------------------------------------------

    def close(self) -> None:
        """Drop it from the server; what it saw can still be asked for."""

        def detach() -> None:
            backend, self._backend = self._backend, copy(self._backend)
            self._backend.generations = dict(backend.generations)  # a dropped world forgets them
            self._app_host.remove_hub(backend)

        for client in self._clients:
            client.close()
        self._run_on_server(detach)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _run_on_server(self, function: Callable[[], T]) -> T:
        return self._app_host.run_on_server(function) if self._on_server else function()

    def _total_spent(self) -> int:
        return sum(credits_spent(account) for account in self._backend.accounts.values())

"""The public Hub: what a test can do to an isolated instance of the service, and ask of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

from mockhub._text import plural, printable
from mockhub._timestamps import parse_duration
from mockhub.client_report.report import ClientReport, build_report
from mockhub.domain.generations import Generation
from mockhub.domain.hub import HubBackend
from mockhub.exceptions import MockhubError
from mockhub.faults.grammar import with_conditions
from mockhub.scenarios.builder import credits_spent
from mockhub.testing import assertions
from mockhub.testing.config import HubConfig, parse_all_directives, parse_provider, prototype_hub
from mockhub.testing.exchanges import ExchangeList, RecordedExchange
from mockhub.testing.generations import render_images, settled_generations, wait_for_count
from mockhub.testing.handles import AccountsHandle, ClockHandle, Duration, KeysHandle, T
from mockhub.testing.in_process import InProcessHost
from mockhub.testing.violations import ViolationCheck

if TYPE_CHECKING:
    import httpx

    from mockhub.testing.app_host import AppHost


class Hub:
    """One isolated instance of the service; a context manager that deletes it.

    The assert methods raise AssertionError with a message that contains the journal.

    Example:
        >>> with mockhub.running(credits=8, provider="fail") as hub:
        ...     body = {"model": "gpt-image-2", "prompt": "A cat"}
        ...     response = hub.client().post("/images/generations", json=body)
        ...     hub.assert_generated(prompt="A cat", status="failed", times=1)
        >>> response.status_code, hub.account.credits
        (500, 8)

    Attributes:
        name: The name on the server.
        url: The address of the hub, without ``/api/v1``.
        base_url: The same with ``/api/v1``, as the OpenAI SDKs want it.
        server_url: The address of the server, where the API key alone selects the hub.
        key: An API key of the first account.
        account: The first account.
        accounts: All accounts by name.
        keys: Creates, revokes and expires API keys.
        clock: Reads and moves the hub's time.
        expected_findings: The kinds of findings that the report of the session leaves out.
    """

    def __init__(self, app_host: AppHost, backend: HubBackend, *, in_process: bool) -> None:
        self._app_host = app_host
        self._backend = backend
        self._in_process = in_process
        self._on_server = False
        self._clients: list[httpx.Client] = []
        self._spent_before = self._total_spent()
        self._initial_generations = frozenset(backend.generations)
        self.expected_findings: tuple[str, ...] = ()
        self.name = backend.name
        self.server_url = app_host.url
        self.url = app_host.url if in_process else f"{app_host.url}/hubs/{self.name}"
        self._api_prefix = backend.spec.base_path
        self.base_url = self.url + self._api_prefix
        self.accounts = AccountsHandle(backend, self._run_on_server)
        self.account = next(iter(self.accounts.values()))
        self.key = self.account.key
        self.keys = KeysHandle(backend, self.accounts, self._run_on_server)
        self.clock = ClockHandle(backend, self._run_on_server)
        backend.save_snapshot()
        self._violation_check = ViolationCheck(app_host, backend)
        self._on_server = True

    @classmethod
    def create(cls, app_host: AppHost, config: HubConfig, name: str | None = None) -> Self:
        """Create a hub on *app_host*: under a name like *name*, else as its only, default hub."""
        default = app_host.hub_registry.default.name
        hub_name = default if name is None else app_host.unique_name(name)
        backend = prototype_hub(config).fork(hub_name)
        hub = cls(app_host, backend, in_process=name is None)
        if (directory := config.replay) is not None:
            only = config.replay_only
            app_host.run_on_server(lambda: app_host.replay(backend, directory, only=only))
        hub.expected_findings = config.expected_findings
        return hub

    def __repr__(self) -> str:
        return f"<Hub {self.name!r} at {self.url}>"

    def client(self, key: str | None = None, **options: Any) -> httpx.Client:
        """Return an httpx client for paths such as ``/credits`` or ``/api/v1/credits``.

        Args:
            key: An API key; that of the first account by default.
            options: Arguments of `httpx.Client`.

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
        """Return the same as `client` for asynchronous code; use it in ``async with``."""
        from mockhub.testing.clients import AsyncHubClient, InProcessTransport

        if isinstance(self._app_host, InProcessHost):
            options.setdefault("transport", InProcessTransport(self._app_host.handle))
        return AsyncHubClient(self.url, self._api_prefix, key or self.key, options)

    def reset(self) -> None:
        """Restore the initial state, with the same key and an empty journal."""
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
        """Arm faults, such as ``reset@after`` or ``status=503 x2``. Their counters restart.

        Args:
            faults: One or more faults, in the grammar of the magic prompts.
            times: How many times each fires.
            p: The probability that it fires, from 0 to 1; seeded.
            on: The operation, such as ``get_credits``.
            nth: The number of the request that it fires for, from 1.
            prompt: A text that the prompt must contain.

        Raises:
            MockhubError: naming the unknown word and the closest known one.
        """
        conditions = {"times": times, "p": p, "on": on, "nth": nth, "prompt": prompt}
        armed = [with_conditions(one, **conditions) for one in parse_all_directives([faults])]
        self._run_on_server(lambda: self._backend.arm(armed))

    def disarm(self) -> None:
        """Disarm all faults."""
        self._run_on_server(self._backend.faults.clear)

    def provider(self, *script: str) -> None:
        """Set the outcomes of the next generations, one each, such as ``deliver=3 duration=2s``.

        The last one repeats.

        Raises:
            MockhubError: naming the word that is not a provider outcome.
        """
        self._backend.provider = parse_provider(script)

    @property
    def request_count(self) -> int:
        """The number of requests since the hub was created."""
        return self._backend.journal.total

    @property
    def journal(self) -> ExchangeList:
        """The exchanges, oldest first. The last thousand are kept."""
        exchanges = self._run_on_server(lambda: list(self._backend.journal))
        return ExchangeList(map(RecordedExchange.from_journal, exchanges))

    @property
    def generations(self) -> tuple[Generation, ...]:
        """The generations accepted since the hub was created, in their present state."""
        initial = self._initial_generations
        return self._run_on_server(lambda: settled_generations(self._backend, initial))

    def images(self, generation: str | None = None) -> list[bytes]:
        """Return the files that the image URLs serve, of one generation by its id or of all.

        Raises:
            MockhubError: if the generation does not exist.
        """
        return render_images(self.generations, generation, self._backend.image_format)

    @property
    def credits_spent(self) -> int:
        """The credits charged since the hub was created, minus refunds."""
        return self._run_on_server(self._total_spent) - self._spent_before

    def wait_for_generations(self, count: int = 1, *, timeout: float = 5.0) -> None:
        """Block until *count* generations were accepted from other threads.

        Args:
            count: The number of generations since the hub was created.
            timeout: The longest time without a new one, in real seconds; then it fails.
        """
        __tracebackhide__ = True
        backend, run = self._backend, self._run_on_server
        accepted = wait_for_count(backend, run, lambda: len(self.generations), count, timeout)
        if accepted < count:
            what = plural(count, "generation")
            self._fail(f"timed out waiting for {what}; there are {accepted}")

    def report(self, *, min_poll_interval: Duration = 1) -> ClientReport:
        """Report what the client did wrong, and how much of the API contract it covered.

        Args:
            min_poll_interval: Polls that follow each other faster are a finding: ``"500ms"``,
                seconds or a timedelta.

        Raises:
            MockhubError: if the interval is not valid.
        """
        interval_ms = parse_duration(min_poll_interval)
        return self._run_on_server(
            lambda: build_report(self._backend, min_poll_interval=interval_ms)
        )

    def assert_generated(
        self,
        *,
        prompt: str | re.Pattern[str] | None = None,
        n: int | None = None,
        times: int | None = None,
        **fields: Any,
    ) -> None:
        """Assert that at least one matching generation was accepted, or exactly *times*.

        Args:
            prompt: The whole prompt, or a pattern to search in it.
            n: The number of requested images.
            times: The exact number of matching generations; 0 for none.
            fields: Of the request `model`, `size`, `quality`, `run_async` and `references` (the
                number of reference images); of the result `status`, `delivered` and `credits`.

        Raises:
            AssertionError: with the most similar requests.
            MockhubError: if a field is unknown.
        """
        __tracebackhide__ = True
        criteria = {"prompt": prompt, "n": n}
        criteria = {name: value for name, value in criteria.items() if value is not None} | fields
        if message := assertions.check_generated(self.generations, self.journal, criteria, times):
            self._fail(message)

    def assert_spent(self, credits: int) -> None:
        """Assert how many credits were charged since the hub was created, minus refunds."""
        __tracebackhide__ = True
        if credits != self.credits_spent:
            self._fail(f"expected {credits!r} credits to be spent; {self.credits_spent} were")

    def assert_no_double_charge(self) -> None:
        """Assert that no request was charged twice, such as by a retry after a lost response."""
        __tracebackhide__ = True
        if found := [one for one in self.report().findings if one.kind == "double_charge"]:
            self._fail(assertions.format_findings(found))

    def assert_no_findings(self) -> None:
        """Assert that the client did nothing wrong, but for `expected_findings`."""
        __tracebackhide__ = True
        expected = self.expected_findings
        if found := [one for one in self.report().findings if one.kind not in expected]:
            self._fail(assertions.format_findings(found))

    @contextmanager
    def expect_finding(self, kind: str) -> Iterator[None]:
        """Assert that the client does this wrong in the block, such as ``"double_charge"``.

        The report of the session leaves findings of this kind of the hub out.

        Raises:
            MockhubError: if there is no such kind.
        """
        __tracebackhide__ = True
        assertions.check_finding_kind(kind)
        before = assertions.count_kind(self.report().findings, kind)
        self.expected_findings = (*self.expected_findings, kind)
        yield
        findings = self.report().findings
        if assertions.count_kind(findings, kind) <= before:
            self._fail(f"expected the finding {kind}; {assertions.format_kinds(findings)}")

    def assert_requested(self, *, times: int | None = None, **criteria: Any) -> None:
        """Assert that at least one request has these attributes, or exactly *times*.

        Args:
            times: The exact number of matching requests; 0 for none.
            criteria: As for ``journal.filter``, such as ``operation="get_credits"``.

        Raises:
            AssertionError: with the most similar requests.
            MockhubError: if an attribute or a value is unknown.
        """
        __tracebackhide__ = True
        matching = self.journal.filter(**criteria)
        if len(matching) != times if times is not None else not matching:
            self._fail(assertions.describe_requested(matching, criteria, times))

    def assert_balance(self, credits: int) -> None:
        """Assert the balance of the first account."""
        __tracebackhide__ = True
        if credits != (actual := self.account.credits):
            self._fail(f"expected a balance of {credits!r} credits; it is {actual}")

    def assert_no_spec_violations(self) -> None:
        """Assert that all responses match the API spec, and audit the ledger, after every test."""
        __tracebackhide__ = True
        if violations := self._violation_check.collect():
            self._fail("\n  ".join(["internal mockhub error, please report it:", *violations]))

    def format_journal(self) -> str:
        """Format the journal as a table, with the requests that matched no hub of the server."""
        unrouted = "" if self._in_process else self._violation_check.format_unrouted()
        return f"{self.journal}{unrouted}"

    def _fail(self, message: str) -> None:
        __tracebackhide__ = True
        if (journal := self.format_journal()) not in message:
            message = f"{message}\n\n{journal}"
        raise AssertionError(printable(self._backend.redactor.redact(message), keep="\n"))

    def close(self) -> None:
        """Delete the hub from the server. Its journal and its state can still be read."""
        for client in self._clients:
            client.close()
        self._run_on_server(lambda: self._app_host.remove_hub(self._backend))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _run_on_server(self, function: Callable[[], T]) -> T:
        return self._app_host.run_on_server(function) if self._on_server else function()

    def _total_spent(self) -> int:
        return sum(credits_spent(account) for account in self._backend.accounts.values())

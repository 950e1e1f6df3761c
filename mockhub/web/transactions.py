"""Run requests in the transactions of a store, for hubs that are kept in a database.

The code of a request changes hubs only between two points at which it waits. So each such section
becomes an operation of the store: when the request waits, sends or ends, what it has changed is
committed; when it continues, it enters again and sees what others have changed meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator, Iterable
from typing import Any

from mockhub.domain.hub import HubBackend
from mockhub.domain.hub_registry import HubRegistry
from mockhub.domain.keys import NoApiKey
from mockhub.exceptions import ServiceUnavailable
from mockhub.storage.session import Demand
from mockhub.storage.store import Operation, Store
from mockhub.web.api import PublicApi
from mockhub.web.app import CONTROL_PREFIX, App, is_under
from mockhub.web.asgi import (
    CYCLE_SCOPE_KEY,
    Message,
    Receive,
    RequestCycle,
    Scope,
    Send,
    headers_of,
    send_response,
)
from mockhub.web.context import HUBS_PREFIX, parse_credentials
from mockhub.web.request_body import ClientDisconnected
from mockhub.web.responses import Response, error_response

_CONTROL_HUBS = CONTROL_PREFIX + HUBS_PREFIX
_CONTROL_OF_ALL_HUBS = tuple(f"{CONTROL_PREFIX}/{name}" for name in ("hubs", "metrics", "health"))
_READING_METHODS = ("GET", "HEAD")


class StoredApp(App):
    """The application of hubs that are kept in a database."""

    def __init__(self, api: PublicApi, store: Store) -> None:
        super().__init__(api)
        self._store = store

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await super().__call__(scope, receive, self._lifespan_sender(send))
        elif scope["type"] == "http" and (demand := find_demand(scope)):
            await self._run(demand, scope, receive, send)
        else:
            await super().__call__(scope, receive, send)

    async def _run(self, demand: Demand, scope: Scope, receive: Receive, send: Send) -> None:
        is_stream = scope["path"].endswith("/events")
        request = TransactionalRequest(self._store, demand, scope, send, reenters=is_stream)
        try:
            await request.run(super().__call__(scope, receive, request.send))
        except ServiceUnavailable as error:
            if not request.has_sent:
                await send_response(error_response(error), scope, send)

    def _lifespan_sender(self, send: Send) -> Send:
        async def send_lifespan(message: Message) -> None:
            if message["type"] == "lifespan.startup.complete":
                self._store.start()
            elif message["type"] == "lifespan.shutdown.complete":
                await self._store.close()
            await send(message)

        return send_lifespan


def find_demand(scope: Scope) -> Demand | None:
    """Return the hubs that a request may read or change, or None if it needs none."""
    path, is_reading = scope["path"], scope["method"] in _READING_METHODS
    if path.startswith(_CONTROL_HUBS):
        name = path[len(_CONTROL_HUBS) :].partition("/")[0]
        return Demand(lambda registry: _named(registry, name), not is_reading, reads_journal=True)
    if path in _CONTROL_OF_ALL_HUBS:
        if is_reading:
            return Demand(iter, reads_journal=True)
        return Demand(lambda registry: (), exclusive=True)
    if is_under(CONTROL_PREFIX, path):
        return None
    if path.startswith(HUBS_PREFIX):
        name = path[len(HUBS_PREFIX) :].partition("/")[0]
        return Demand(lambda registry: _named(registry, name))
    credentials = parse_credentials(headers_of(scope).get(b"authorization"))
    digest = None if isinstance(credentials, NoApiKey) else credentials
    return Demand(lambda registry: (registry.find_by_key(digest),))


def _named(registry: HubRegistry, name: str) -> Iterable[HubBackend]:
    return (registry.get(name) if name in registry else registry.default,)


class TransactionalRequest:
    """One request whose sections are operations of a store.

    Args:
        store: The store.
        demand: The hubs that the request may read or change.
        scope: The scope; its request cycle is replaced by one that waits for the commit.
        send: Sends a message, whether anything is committed or not.
        reenters: Whether it still needs its hubs after it has begun to send.
    """

    def __init__(
        self, store: Store, demand: Demand, scope: Scope, send: Send, *, reenters: bool
    ) -> None:
        self.has_sent = False
        self._store = store
        self._demand = demand
        self._send = send
        self._reenters = reenters
        self._is_sending = False
        self._operation: Operation | None = None
        self._task = asyncio.current_task()
        self._cycle: CommittingCycle | None = None
        if cycle := scope.get(CYCLE_SCOPE_KEY):
            self._cycle = scope[CYCLE_SCOPE_KEY] = CommittingCycle(cycle)

    async def run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        try:
            await _Sections(self, coroutine)
        finally:
            if self._cycle is not None:
                self._cycle.close()

    async def enter(self) -> None:
        if self._reenters or not self._is_sending:
            self._operation = await self._store.enter(self._demand)

    async def leave(self) -> None:
        """Commit; raises ServiceUnavailable."""
        operation, self._operation = self._operation, None
        if operation is not None:
            await self._store.leave(operation)

    async def send(self, message: Message) -> None:
        """Send a message once everything is committed; a whole response in one write."""
        is_first, self._is_sending, cycle = not self._is_sending, True, self._cycle
        if is_first and asyncio.current_task() is self._task:
            await self.leave()
            if cycle is not None and cycle.disconnected:
                raise ClientDisconnected
        self.has_sent = True
        if cycle is None or not cycle.send_whole():
            await self._send(message)


class _Sections:
    """Awaits a coroutine, in sections that end where it waits."""

    def __init__(self, request: TransactionalRequest, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._request = request
        self._coroutine = coroutine

    def __await__(self) -> Generator[Any, Any, Any]:
        request, coroutine = self._request, self._coroutine
        try:
            yield from request.enter().__await__()
        except BaseException:
            coroutine.close()
            raise
        error: BaseException | None = None
        while True:
            try:
                waits_for = coroutine.send(None) if error is None else coroutine.throw(error)
            except StopIteration as stop:
                yield from request.leave().__await__()
                return stop.value
            except BaseException:
                yield from request.leave().__await__()
                raise
            error = None
            try:
                yield from request.leave().__await__()
                yield waits_for
            except GeneratorExit:
                coroutine.close()
                raise
            except BaseException as raised:
                error = raised
            if not isinstance(error, ServiceUnavailable):
                try:
                    yield from request.enter().__await__()
                except BaseException as raised:
                    error = raised


class CommittingCycle:
    """The request cycle of mockhub's server, which sends nothing before the commit."""

    def __init__(self, cycle: RequestCycle) -> None:
        self._cycle = cycle
        self._response: Response | None = None  # that `send` is about to be called for
        self._is_sent = False
        self._abort: bool | None = None  # the `reset` of a connection to close
        self.receive = cycle.receive
        self.receive_nowait = cycle.receive_nowait
        self.body_nowait = cycle.body_nowait
        self.watch = cycle.watch
        self.unwatch = cycle.unwatch

    @property
    def disconnected(self) -> bool:
        return self._cycle.disconnected

    def send_response(self, response: Response) -> bool:
        self._response = response
        return False  # `TransactionalRequest.send` is called instead

    def send_whole(self) -> bool:
        """Send the response instead of the messages that it consists of."""
        if self._response is not None:
            self._is_sent = self._cycle.send_response(self._response)
            self._response = None
        return self._is_sent

    def abort(self, *, reset: bool) -> None:
        self._abort = bool(self._abort) or reset

    def close(self) -> None:
        """Close the connection, if a fault demands it."""
        if self._abort is not None:
            self._cycle.abort(reset=self._abort)

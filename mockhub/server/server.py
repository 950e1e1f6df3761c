"""The server: uvicorn's lifecycle with mockhub's own HTTP protocol."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from errno import EADDRINUSE
from functools import partial
from typing import Any, TypeVar, cast

import uvicorn

from mockhub.exceptions import MockhubError
from mockhub.server.fork import socket_owners
from mockhub.server.protocol import HttpProtocol
from mockhub.server.timeouts import ServerContext
from mockhub.web.app import App

_BACKLOG = 2048
_SHUTDOWN_TIMEOUT = 1  # seconds for open requests
_TICK_SECONDS = 0.1
_TICKS_PER_DAY = 864_000
_THREAD_TIMEOUT = 60  # seconds, after which the thread of a server does not respond
T = TypeVar("T")


class Server(uvicorn.Server):
    """A uvicorn server that cancels waiting requests before it closes its connections."""

    def __init__(
        self, config: uvicorn.Config, app: App, context: ServerContext, on_ready: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self.app = app
        self.on_ready = on_ready
        self._context = context
        self._listeners: list[socket.socket] = []
        socket_owners.add(self)

    @property
    def connections(self) -> set[HttpProtocol]:
        return cast("set[HttpProtocol]", self.server_state.connections)

    def socket_numbers(self) -> list[int]:
        """Return the file descriptors of all open sockets, for `mockhub.server.fork`."""
        numbers = [listener.fileno() for listener in self._listeners]
        numbers += [connection.fileno() for connection in tuple(self.connections)]
        return [number for number in numbers if number >= 0]

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._listeners = sockets or []
        self._tick()
        try:
            await super().startup(sockets)
        except SystemExit:
            raise MockhubError("the application failed to start; see the log") from None
        self.on_ready()

    async def main_loop(self) -> None:
        counter = 0
        while not await self.on_tick(counter):
            await _wait_for_tick()
            counter = (counter + 1) % _TICKS_PER_DAY

    async def on_tick(self, counter: int) -> bool:
        should_exit = await super().on_tick(counter)
        self._tick()
        return should_exit

    def _tick(self) -> None:
        self._context.set_default_headers(self.server_state.default_headers)
        self._context.expire_timeouts(asyncio.get_running_loop().time(), self.connections)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.app.api.clock_waiter.close()
        if tasks := self.server_state.tasks:  # those that waited send their responses
            await asyncio.wait([*tasks], timeout=_TICK_SECONDS)
        await super().shutdown(sockets)

    async def _wait_tasks_to_complete(self) -> None:
        while (self.connections or self.server_state.tasks) and not self.force_exit:
            await _wait_for_tick()
        for server in self.servers:
            await server.wait_closed()


async def _wait_for_tick() -> None:
    """Wait with a timer of the loop: a test beside the server may have patched `asyncio.sleep`."""
    loop = asyncio.get_running_loop()
    tick: asyncio.Future[None] = loop.create_future()
    timer = loop.call_later(_TICK_SECONDS, tick.set_result, None)
    try:
        await tick
    finally:
        timer.cancel()


def bind(host: str, port: int) -> socket.socket:
    """Return a listening socket; port 0 picks a free port.

    Raises:
        MockhubError: if the address cannot be used.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        dualstack = family == socket.AF_INET6 and socket.has_dualstack_ipv6()
        listener = socket.create_server(
            (host, port), family=family, backlog=_BACKLOG, dualstack_ipv6=dualstack
        )
    except (OSError, OverflowError) as error:
        error_number = getattr(error, "errno", None) or 0
        reason = (
            os.strerror(error_number) if error_number > 0 else getattr(error, "strerror", error)
        )
        hint = "; port 0 picks a free one" if error_number == EADDRINUSE else ""
        raise MockhubError(f"cannot listen on {host}:{port}: {reason}{hint}") from None
    listener.setblocking(False)
    return listener


def create_server(
    app: App, *, on_ready: Callable[[], None] = lambda: None, **settings: Any
) -> Server:
    """Create a server for *app* that writes no log.

    Args:
        app: The application.
        on_ready: Called when the server accepts connections.
        settings: More settings of `uvicorn.Config`.
    """
    context = ServerContext(app, app.api.spec.errors, app.api.limits)
    config = uvicorn.Config(
        app,
        http=cast(Any, partial(HttpProtocol, context=context)),
        interface="asgi3",
        ws="none",
        loop="auto",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_SHUTDOWN_TIMEOUT,
        **settings,
    )
    return Server(config, app, context, on_ready)


class ServerThread:
    """A server in a new thread, for tests and scripts.

    Raises:
        MockhubError: if the server does not start in time, or the application fails to start.
    """

    def __init__(self, app: App, listener: socket.socket, *, start_timeout: float = 30.0) -> None:
        self._listener = listener
        self._loop_when_started: Future[asyncio.AbstractEventLoop] = Future()
        self._server = create_server(
            app, on_ready=lambda: self._loop_when_started.set_result(asyncio.get_running_loop())
        )
        self._thread = threading.Thread(target=self._run, name="mockhub", daemon=True)
        self._thread.start()
        if not wait([self._loop_when_started], start_timeout).done:
            self._server.should_exit = True
            raise MockhubError(f"the server did not start within {start_timeout:g} s")
        self._loop = self._loop_when_started.result()

    def call(self, function: Callable[[], T]) -> T:
        """Run *function* in the thread of the server, between requests; return its result.

        Raises:
            MockhubError: if the thread does not respond.
        """

        async def run() -> T:
            return function()

        future = asyncio.run_coroutine_threadsafe(run(), self._loop)
        if not wait([future], _THREAD_TIMEOUT).done:
            raise MockhubError(f"the server's thread did not respond within {_THREAD_TIMEOUT} s")
        return future.result()

    def stop(self) -> None:
        """Shut the server down and wait until it has ended, at most a minute."""
        self._server.should_exit = True
        self._thread.join(_THREAD_TIMEOUT)

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=self._server.config.get_loop_factory()) as runner:
                runner.run(self._server.serve(sockets=[self._listener]))
        except BaseException as error:
            if self._loop_when_started.done():
                raise
            self._loop_when_started.set_exception(error)

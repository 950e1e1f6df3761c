"""The server: uvicorn's life, and our own connections."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Callable
from errno import EADDRINUSE
from functools import partial
from typing import Any, cast

import uvicorn

from mockhub.exceptions import MockhubError
from mockhub.server.protocol import HttpProtocol
from mockhub.server.timeouts import ServerContext
from mockhub.web.app import App

_BACKLOG = 2048
_SHUTDOWN_TIMEOUT = 1  # seconds that open requests get when the server goes down


class Server(uvicorn.Server):
    """A uvicorn server that ends every wait before it asks its connections to finish."""

    def __init__(
        self, config: uvicorn.Config, app: App, context: ServerContext, on_ready: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self.app = app
        self.on_ready = on_ready
        self._context = context

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._tick()
        await super().startup(sockets)
        self.on_ready()

    async def on_tick(self, counter: int) -> bool:
        should_exit = await super().on_tick(counter)
        self._tick()
        return should_exit

    def _tick(self) -> None:
        self._context.set_default_headers(self.server_state.default_headers)
        connections = cast("set[HttpProtocol]", self.server_state.connections)
        self._context.expire_timeouts(asyncio.get_running_loop().time(), connections)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.app.api.clock_waiter.close()
        await super().shutdown(sockets)


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 picks a free one.

    Raises:
        MockhubError: if the address cannot be had.
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
    """A server of *app* that keeps quiet, calls *ready* when it is up, and goes down quickly."""
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
    """A server in a thread of its own, for tests and scripts."""

    def __init__(self, app: App, listener: socket.socket) -> None:
        self._listener = listener
        self._server = create_server(app)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mockhub", daemon=True)
        self._thread.start()
        self._ready.wait()

    def call(self, function: Callable[[], Any]) -> Any:
        """Run *function* where the requests run, so that the two never meet; returns its result."""
        assert self._loop is not None

        async def run() -> Any:
            return function()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result()

    def stop(self) -> None:
        """Go down and wait for it."""
        self._server.should_exit = True
        self._thread.join()

    def _run(self) -> None:
        runner = asyncio.Runner(loop_factory=self._server.config.get_loop_factory())
        with runner:
            self._loop = runner.get_loop()
            runner.run(self._serve())

    async def _serve(self) -> None:
        task = asyncio.ensure_future(self._server.serve(sockets=[self._listener]))
        while not self._server.started and not task.done():
            await asyncio.sleep(0)
        self._ready.set()
        await task

"""Handles requests in process, for `mockhub.ASGI`, also those of clients that run under trio."""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from mockhub.testing.app_host import AppHost, T
from mockhub.web.asgi import ConnectionClosed, Message, Receive, Scope, Send, receive_from


class InProcessHost(AppHost):
    """Hosts one hub for clients in the same process."""

    _loop: asyncio.AbstractEventLoop | None = None

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        with _httpx_errors():
            if _is_asyncio():
                await self.app(scope, receive, send)
            else:
                await self._handle_in_thread(scope, receive, send)

    def run_on_server(self, function: Callable[[], T]) -> T:
        if self._loop is None:
            return function()

        async def call() -> T:
            return function()

        return asyncio.run_coroutine_threadsafe(call(), self._loop).result()

    async def _handle_in_thread(self, scope: Scope, receive: Receive, send: Send) -> None:
        from anyio import to_thread  # of httpx

        received, sent = await _receive_all(receive), list[Message]()
        if self._loop is None:
            self._loop = _start_loop(self)
        handling = self.app(scope, receive_from(received), _appender(sent))
        future = asyncio.run_coroutine_threadsafe(handling, self._loop)
        try:
            await to_thread.run_sync(future.result, abandon_on_cancel=True)
        finally:
            future.cancel()
            for message in sent:
                await send(message)


@contextmanager
def _httpx_errors() -> Iterator[None]:
    """Raise httpx's error where a fault closes the connection; it is a ConnectionResetError too."""
    try:
        yield
    except ConnectionClosed as error:
        try:
            import httpx
        except ImportError:
            raise error from None
        base = httpx.ReadError if error.reset else httpx.RemoteProtocolError
        raise type(base.__name__, (base, ConnectionResetError), {})(str(error)) from None


def _is_asyncio() -> bool:
    with suppress(RuntimeError):
        return asyncio.current_task() is not None
    return False


def _start_loop(owner: object) -> asyncio.AbstractEventLoop:
    """Run an event loop in a thread until *owner* is deleted."""
    loop = asyncio.new_event_loop()

    def run() -> None:
        loop.run_forever()
        loop.close()

    threading.Thread(target=run, name="mockhub-asgi", daemon=True).start()
    weakref.finalize(owner, loop.call_soon_threadsafe, loop.stop)
    return loop


async def _receive_all(receive: Receive) -> list[Message]:
    messages = [await receive()]
    while messages[-1].get("more_body"):
        messages.append(await receive())
    return messages


def _appender(messages: list[Message]) -> Send:
    async def send(message: Message) -> None:
        messages.append(message)

    return send

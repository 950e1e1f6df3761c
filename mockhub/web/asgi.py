"""ASGI types, and how the application talks to the server that runs it.

Any ASGI server will do. mockhub's own passes its request cycle in the scope, which can send a
response in one write, read a body that has arrived without waiting, and reset the connection.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Protocol

from mockhub.web.responses import Response

CYCLE_SCOPE_KEY = "mockhub.cycle"
_MAX_READ_AHEAD = 256 * 1024  # bytes of a body, while a request waits

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]


class BodySource(Protocol):
    """Where the body of a request is read from."""

    @property
    def receive(self) -> Receive: ...

    def receive_nowait(self) -> Message | None:
        """Return what `receive` would return without waiting, or None."""

    def body_nowait(self) -> bytes | None:
        """Return the whole body, or None if it has not arrived or was partly read."""

    def watch(self, on_disconnect: Callable[[], None]) -> None:
        """Call *on_disconnect* when the client disconnects, or at once if it has."""

    def unwatch(self) -> None:
        """End `watch`."""


class RequestCycle(BodySource, Protocol):
    """The request cycle of mockhub's own server.

    Attributes:
        disconnected: Whether the client has disconnected.
    """

    disconnected: bool

    def send_response(self, response: Response) -> bool:
        """Send a response in one write; return False if the client has to read first."""

    def abort(self, *, reset: bool) -> None:
        """Close the connection: at once by a reset, or after what was sent."""


class AsgiBodySource:
    """The body of a request under any ASGI server: only `receive` reads it.

    Some servers report a disconnect only behind the body, so `watch` reads ahead.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._messages: deque[Message] = deque()
        self._watcher: asyncio.Task[None] | None = None

    async def receive(self) -> Message:
        return self._messages.popleft() if self._messages else await self._receive()

    def watch(self, on_disconnect: Callable[[], None]) -> None:
        self._watcher = asyncio.ensure_future(self._read_ahead(on_disconnect))

    def unwatch(self) -> None:
        if self._watcher is not None:
            self._watcher.cancel()

    async def _read_ahead(self, on_disconnect: Callable[[], None]) -> None:
        size = sum(len(message.get("body", b"")) for message in self._messages)
        while size < _MAX_READ_AHEAD:
            message = await self._receive()
            self._messages.append(message)
            size += len(message.get("body", b""))
            if message["type"] == "http.disconnect":
                on_disconnect()
                return

    def receive_nowait(self) -> Message | None:
        return None

    def body_nowait(self) -> bytes | None:
        return None


def receive_from(messages: Iterable[Message]) -> Receive:
    """Return the `receive` of a client that sends these messages and never disconnects."""
    remaining = iter(messages)

    async def receive() -> Message:
        for message in remaining:
            return message
        await asyncio.Event().wait()
        raise AssertionError

    return receive


def body_source(scope: Scope, receive: Receive) -> BodySource:
    return scope.get(CYCLE_SCOPE_KEY) or AsgiBodySource(receive)


def headers_of(scope: Scope) -> dict[bytes, bytes]:
    """Return the headers of a request by name; repeated ones are joined (RFC 9110, 5.3)."""
    fields: list[tuple[bytes, bytes]] = scope["headers"]
    headers = dict(fields)
    if len(headers) < len(fields):
        headers = {}
        for name, value in fields:
            headers[name] = headers[name] + b", " + value if name in headers else value
    return headers


def send_now(response: Response, scope: Scope) -> bool:
    """Send a response in one write; return False if only `send_response` can do it."""
    cycle: RequestCycle | None = scope.get(CYCLE_SCOPE_KEY)
    return cycle is not None and cycle.send_response(response)


async def send_response(response: Response, scope: Scope, send: Send) -> None:
    """Send a response, without its body if the request is HEAD."""
    if send_now(response, scope):
        return
    await send_head(response, send)
    body = b"" if scope["method"] == "HEAD" else response.body
    await send({"type": "http.response.body", "body": body})


async def send_head(response: Response, send: Send) -> None:
    await send(
        {"type": "http.response.start", "status": response.status, "headers": response.headers}
    )


class ConnectionClosed(ConnectionResetError):
    """A fault has closed a connection that is not ours.

    Attributes:
        reset: Whether at once, or after what was sent.
    """

    def __init__(self, message: str, reset: bool) -> None:
        super().__init__(message)
        self.reset = reset


def close_connection(scope: Scope, *, reset: bool) -> None:
    """Close the connection: at once by a reset, or after what was sent.

    Raises:
        ConnectionClosed: if another server runs the application, which cannot do so.
    """
    cycle: RequestCycle | None = scope.get(CYCLE_SCOPE_KEY)
    if cycle is None:
        raise ConnectionClosed("mockhub closed the connection, as a fault demands", reset)
    cycle.abort(reset=reset)

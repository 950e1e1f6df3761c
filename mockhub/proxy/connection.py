"""One HTTP/1.1 connection to the upstream, on asyncio and httptools."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import Any, cast

import httptools

from mockhub.proxy.errors import UpstreamError, invalid_response
from mockhub.web.responses import Headers

_MAX_HEAD_BYTES = 64 * 1024
_MAX_BUFFERED_BYTES = 256 * 1024
_BODILESS_STATUSES = (204, 304)
_FIRST_FINAL_STATUS = 200


class UpstreamConnection(asyncio.Protocol):
    """A connection that carries one exchange at a time.

    Attributes:
        status: The status of the response.
        headers: Its headers, with names in lower case.
        http_version: Such as ``1.1``.
        head_complete: Whether status and headers have arrived.
        complete: Whether the whole response has arrived.
        received: Whether any byte of the response has arrived.
        closed: Whether the connection is closed.
        was_lost: Whether the upstream closed it.
    """

    def __init__(self) -> None:
        self.closed = self.was_lost = self._paused = False
        self._transport: asyncio.Transport
        self._waiter: asyncio.Future[None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self.complete = True  # no request has been sent
        self._error: UpstreamError | None = None

    def start_exchange(self, method: str) -> None:
        """Expect the response to a request with that method."""
        self._parser: Any = httptools.HttpResponseParser(self)
        self._is_head = method == "HEAD"
        self._head_bytes = 0
        self._chunks: deque[bytes] = deque()
        self._buffered = 0
        self._fields: list[tuple[bytes, bytes]] = []
        self._reusable = False
        self._error = None
        self.status, self.http_version = 0, ""
        self.headers: Headers = ()
        self.head_complete = self.complete = self.received = False

    # -- called by the event loop ----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self.complete:  # nothing was asked
            self.close()
            return
        self.received = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.fail("the upstream switched protocols")
        except httptools.HttpParserError as error:
            if self.complete:
                self._reusable = False  # what follows the response belongs to no request
            else:
                self.fail(f"the upstream's response is not HTTP: {error}")
        if not self.head_complete:
            self._head_bytes += len(data)
            if self._head_bytes > _MAX_HEAD_BYTES:
                self.fail(f"the headers of the upstream's response exceed {_MAX_HEAD_BYTES} bytes")
        if self._buffered > _MAX_BUFFERED_BYTES and not self._paused:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self.was_lost, self.closed = not self.closed, True
        if not self.complete:
            if self.head_complete and not self._has_framing():
                self.complete = True  # the end of the connection is the end of the body
            else:
                part = "its response was complete" if self.received else "it responded"
                self.fail(f"the upstream closed the connection before {part}")
        self._writable.set()
        self._wake()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    # -- called by the parser --------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if not self.head_complete:
            self._fields = []

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.head_complete:  # else it is a trailer
            self._fields.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < _FIRST_FINAL_STATUS:
            return  # 101 is followed by an HttpParserUpgrade
        self.status, self.http_version = status, self._parser.get_http_version()
        self.headers, self.head_complete = tuple(self._fields), True
        if self._is_head:
            self.complete, self._reusable = True, self._parser.should_keep_alive()

    def on_body(self, body: bytes) -> None:
        if not self.complete:
            self._chunks.append(body)
            self._buffered += len(body)

    def on_message_complete(self) -> None:
        if self.head_complete and not self.complete:
            self.complete, self._reusable = True, self._parser.should_keep_alive()

    # -- called by the client --------------------------------------------------------------------

    @property
    def is_reusable(self) -> bool:
        """Whether another request may be sent."""
        return self.complete and not self.closed and self._reusable and not self._chunks

    async def write(self, data: bytes) -> None:
        """Send a part of the request, when the upstream has read enough of the earlier ones."""
        if not self.closed:
            self._transport.write(data)
        await self._writable.wait()

    async def wait_for_head(self) -> None:
        """Wait for status and headers; raises UpstreamError."""
        while not self.head_complete:
            self._raise_error()
            await self._wait()

    async def read(self) -> bytes:
        """Return the next part of the body, b"" at its end; raises UpstreamError."""
        while not self._chunks:
            if self.complete:
                return b""
            self._raise_error()
            await self._wait()
        chunk = self._chunks.popleft()
        self._buffered -= len(chunk)
        if self._paused and self._buffered <= _MAX_BUFFERED_BYTES // 2 and not self.closed:
            self._paused = False
            self._transport.resume_reading()
        return chunk

    def close(self) -> None:
        """Close the connection at once."""
        self.closed = True
        self._transport.abort()

    def _has_framing(self) -> bool:
        names = dict(self.headers)
        bodiless = self._is_head or self.status in _BODILESS_STATUSES
        chunked = names.get(b"transfer-encoding", b"").lower().endswith(b"chunked")
        return bodiless or chunked or b"content-length" in names

    def fail(self, problem: str) -> None:
        """Let what waits for the response raise an UpstreamError."""
        self._error = self._error or invalid_response(problem)
        self._wake()

    def _raise_error(self) -> None:
        if self._error is not None:
            self.close()
            raise self._error

    async def _wait(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        await self._waiter

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def request_head(method: str, target: bytes, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    lines = [b"%b %b HTTP/1.1\r\n" % (method.encode(), target)]
    lines += [b"%b: %b\r\n" % header for header in headers]
    return b"".join([*lines, b"\r\n"])

"""One request and its response: the ASGI `receive` and `send`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import lru_cache

from mockhub.server.flow_control import FlowControl
from mockhub.server.timeouts import ServerContext
from mockhub.server.write_buffer import WriteBuffer
from mockhub.web.asgi import Message
from mockhub.web.request_body import ClientDisconnected
from mockhub.web.responses import Headers, Response, status_line

_CONTINUE_RESPONSE = b"HTTP/1.1 100 Continue\r\n\r\n"
_DISCONNECT_MESSAGE = {"type": "http.disconnect"}
_BODILESS_STATUSES = (204, 304)


class RequestResponseCycle:
    """The state of one request and its response.

    Args:
        write_buffer: The output of the connection.
        flow: The flow control of the connection.
        context: Has the default headers of responses.
        on_response_complete: Called with the cycle when the whole response was written.
        keep_alive: Whether another request may follow on the connection.
        expects_continue: Whether the client waits for `100 Continue` before it sends the body.
        is_head: Whether the method is HEAD, so that the response has no body.

    Attributes:
        request_complete: The whole request has arrived.
        disconnected: The client has disconnected, or the connection is being closed.
        response_started: The head of the response was passed on.
        response_complete: The whole response was written.
        task: The task in which the application runs.
    """

    __slots__ = (
        *("_body", "_body_consumed", "_chunked_encoding", "_context", "_data_available"),
        *("_expects_continue", "_flow", "_is_head", "_on_response_complete", "_pending_head"),
        *("_on_disconnect", "_receive_waiter", "_write_buffer", "disconnected", "keep_alive"),
        *("request_complete",),
        *("response_complete", "response_started", "task"),
    )

    def __init__(
        self,
        write_buffer: WriteBuffer,
        flow: FlowControl,
        context: ServerContext,
        on_response_complete: Callable[[RequestResponseCycle], None],
        keep_alive: bool,
        expects_continue: bool,
        is_head: bool,
    ) -> None:
        self._write_buffer = write_buffer
        self._flow = flow
        self._context = context
        self._on_response_complete = on_response_complete
        self.keep_alive = keep_alive
        self._expects_continue = expects_continue
        self._is_head = is_head
        self.request_complete = False
        self.disconnected = False
        self.response_started = False
        self.response_complete = False
        self.task: asyncio.Task[None] | None = None
        self._body = bytearray()
        self._data_available = False  # the application has not received all that has arrived
        self._body_consumed = False  # the application has received a part of the body
        self._receive_waiter: asyncio.Future[None] | None = None
        self._on_disconnect: Callable[[], None] | None = None
        self._pending_head: bytes | None = None  # is written together with the first body part
        self._chunked_encoding = False

    # -- called by the connection ----------------------------------------------------------------

    def feed_body(self, data: bytes) -> int:
        """Add a part of the body; return the number of bytes that the application has to read."""
        self._body += data
        self._data_available = True
        self._wake()
        return len(self._body)

    def end_of_body(self) -> None:
        self.request_complete = self._data_available = True
        self._wake()

    def disconnect(self) -> None:
        self.disconnected = True
        self._wake()
        if self._on_disconnect is not None:
            self._on_disconnect()

    @property
    def is_watched(self) -> bool:
        """Whether the application waits, and wants to know when the client disconnects."""
        return self._on_disconnect is not None

    def _wake(self) -> None:
        if self._receive_waiter is not None and not self._receive_waiter.done():
            self._receive_waiter.set_result(None)

    # -- called by the application ---------------------------------------------------------------

    async def receive(self) -> Message:
        if self._expects_continue and not self.response_started and not self.disconnected:
            self._write_buffer.write(_CONTINUE_RESPONSE)
        self._expects_continue = False
        self._flow.resume_reading()
        while (message := self.receive_nowait()) is None:
            self._receive_waiter = asyncio.get_running_loop().create_future()
            await self._receive_waiter
        return message

    def receive_nowait(self) -> Message | None:
        """Return the next ASGI message if one is available without waiting, else None."""
        if self._expects_continue:
            return None
        if self.disconnected or self.response_complete:
            return _DISCONNECT_MESSAGE.copy()
        if not self._data_available:
            return None
        return {
            "type": "http.request",
            "body": self._take_body(),
            "more_body": not self.request_complete,
        }

    def body_nowait(self) -> bytes | None:
        """Return the whole body if it has arrived and none of it was received, else None."""
        if not self.request_complete or self._body_consumed or self._expects_continue:
            return None
        return self._take_body()

    def _take_body(self) -> bytes:
        self._flow.resume_reading()
        self._data_available = False
        self._body_consumed = True
        body, self._body = bytes(self._body), bytearray()
        return body

    def watch(self, on_disconnect: Callable[[], None]) -> None:
        """Call *on_disconnect* when the client disconnects, or at once if it has."""
        self._on_disconnect = on_disconnect
        if self.disconnected:
            on_disconnect()

    def unwatch(self) -> None:
        self._on_disconnect = None

    async def send(self, message: Message) -> None:
        await self._flow.drain()
        if self.disconnected or self.response_complete:
            return
        if message["type"] == "http.response.start":
            headers = tuple([(name, value) for name, value in message["headers"]])
            self._pending_head = self._build_head(message["status"], headers)
            self.response_started = True
            return
        body, more_body = message.get("body", b""), message.get("more_body", False)
        parts = [self._pending_head or b""]
        self._pending_head = None
        if not self._is_head:
            parts += self._encode_chunk(body, more_body)
        if more_body:
            self._write_buffer.write(b"".join(parts))
        else:
            self._write_buffer.write_buffered(b"".join(parts))
            self._complete_response()

    def send_response(self, response: Response) -> bool:
        """Send a whole response; return False if the client has to read first.

        Raises:
            ClientDisconnected: if the client has disconnected.
        """
        if self.disconnected:
            raise ClientDisconnected
        if self._flow.write_paused:
            return False
        self.response_started = True
        body = b"" if self._is_head else response.body
        self._write_buffer.write_buffered(
            self._build_head(response.status, response.headers) + body
        )
        self._complete_response()
        return True

    def abort(self, *, reset: bool) -> None:
        """Close the connection: at once by a TCP reset, or after what was written."""
        self.disconnected = True
        if reset:
            self._write_buffer.abort(reset=True)
        else:
            self._write_buffer.close()

    def _complete_response(self) -> None:
        self.response_complete = True
        self._wake()
        self._on_response_complete(self)

    def _build_head(self, status: int, headers: Headers) -> bytes:
        # A client that waits for 100 Continue may or may not send the body: no request can follow.
        if self._expects_continue:
            self.keep_alive = False
        head, self._chunked_encoding = _render_head(status, headers)
        if self.keep_alive:
            return head + self._context.default_headers
        return head + self._context.default_headers_and_close

    def _encode_chunk(self, body: bytes, more_body: bool) -> list[bytes]:
        if not self._chunked_encoding:
            return [body]
        chunk = [b"%x\r\n" % len(body), body, b"\r\n"] if body else []
        return chunk if more_body else [*chunk, b"0\r\n\r\n"]


@lru_cache(maxsize=4096)
def _render_head(status: int, headers: Headers) -> tuple[bytes, bool]:
    """Return the head without the default headers, and whether the body is chunked."""
    lines = [status_line(status), *(b"%s: %s\r\n" % header for header in headers)]
    if chunked := status not in _BODILESS_STATUSES and b"content-length" not in dict(headers):
        lines.append(b"transfer-encoding: chunked\r\n")
    return b"".join(lines), chunked

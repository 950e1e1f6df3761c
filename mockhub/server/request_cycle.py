"""One request on a connection and its answer: what the app receives and sends."""

from __future__ import annotations

import asyncio
from functools import lru_cache
from typing import TYPE_CHECKING

from mockhub.web.asgi import Message
from mockhub.web.request_body import ClientDisconnected
from mockhub.web.responses import Headers, Response, status_line

if TYPE_CHECKING:
    from mockhub.server.protocol import HttpProtocol

_CONTINUE_RESPONSE = b"HTTP/1.1 100 Continue\r\n\r\n"
_DISCONNECT_MESSAGE = {"type": "http.disconnect"}
_BODILESS_STATUSES = (204, 304)


class RequestResponseCycle:
    """What has come of a request, and how far its answer is.

    Args:
        connection: where it came from.
        keep_alive: whether another request may follow.
        expects_continue: whether the client waits to be asked for the body.
        wants_head: whether the answer goes without its body.
    """

    # What has not come yet stays as it stands here.
    request_complete = False  # the whole request came
    disconnected = False  # the client left
    response_started = False  # the answer began
    response_complete = False  # all of the answer left
    task: asyncio.Task[None] | None = None
    _body_buffer: bytes | bytearray = b""
    _data_available = False  # something came that the app has not seen
    _body_consumed = False  # the app has seen something of the body
    _receive_waiter: asyncio.Future[None] | None = None
    _pending_head: bytes | None = None  # waits for the first piece of the body, to leave with it
    _chunked_encoding = False

    def __init__(
        self, protocol: HttpProtocol, *, keep_alive: bool, expects_continue: bool, is_head: bool
    ) -> None:
        self._protocol = protocol
        self.keep_alive = keep_alive
        self._expects_continue = expects_continue
        self._is_head = is_head

    # -- what the connection tells ---------------------------------------------------------------

    def feed_body(self, data: bytes) -> int:
        """Another piece of the body came; returns how many bytes wait for the app."""
        if self._body_buffer:
            if isinstance(self._body_buffer, bytes):
                self._body_buffer = bytearray(
                    self._body_buffer
                )  # many small pieces are cheap to add
            self._body_buffer += data
        else:
            self._body_buffer = data
        self._data_available = True
        if self._receive_waiter is not None:
            self._wake()
        return len(self._body_buffer)

    def end_of_body(self) -> None:
        """The request is whole."""
        self.request_complete = self._data_available = True
        if self._receive_waiter is not None:
            self._wake()

    def disconnect(self) -> None:
        """The client left, or is not listened to any more."""
        self.disconnected = True
        if self._receive_waiter is not None:
            self._wake()

    def _wake(self) -> None:
        if self._receive_waiter is not None and not self._receive_waiter.done():
            self._receive_waiter.set_result(None)

    # -- what the app asks -----------------------------------------------------------------------

    async def receive(self) -> Message:
        """The next piece of the body, or that the client left."""
        if self._expects_continue and not self.response_started and not self.disconnected:
            self._protocol.write_buffer.write(_CONTINUE_RESPONSE)
        self._expects_continue = False
        self._protocol.resume_reading()
        while (message := self.receive_nowait()) is None:
            self._receive_waiter = asyncio.get_running_loop().create_future()
            await self._receive_waiter
        return message

    def receive_nowait(self) -> Message | None:
        """What `receive` would tell without a wait; None if it has to be asked."""
        if self._expects_continue:
            return None
        if self.disconnected or self.response_complete:
            return _DISCONNECT_MESSAGE.copy()
        if not self._data_available:
            return None
        return {
            "type": "http.request",
            "body": self._take_buffer(),
            "more_body": not self.request_complete,
        }

    async def send(self, message: Message) -> None:
        """Send the head of the answer, or a piece of its body."""
        await self._protocol.drain()
        if self.disconnected or self.response_complete:
            return
        if message["type"] == "http.response.start":
            self._pending_head = self._build_head(
                message["status"], tuple([(name, value) for name, value in message["headers"]])
            )
            self.response_started = True
            return
        parts = [] if self._pending_head is None else [self._pending_head]
        self._pending_head = None
        body, more_body = message.get("body", b""), message.get("more_body", False)
        if not self._is_head:
            parts += self._encode_chunk(body, more_body)
        self._protocol.write_buffer.write(b"".join(parts))
        if not more_body:
            self._complete_response()

    def body_nowait(self) -> bytes | None:
        """The body, if all of it has come and nobody has seen any; else `receive` tells."""
        if (
            not self.request_complete
            or self._body_consumed
            or self.disconnected
            or self._expects_continue
        ):
            return None
        return self._take_buffer()

    def _take_buffer(self) -> bytes:
        if self._protocol.read_paused:
            self._protocol.resume_reading()
        self._data_available = False
        self._body_consumed = True
        body, self._body_buffer = self._body_buffer, b""
        return bytes(body)

    def send_response(self, response: Response) -> bool:
        """Send a whole answer; False if the client has to read first.

        Raises:
            ClientGone: if there is nobody to send it to.
        """
        protocol = self._protocol
        if self.disconnected:
            raise ClientDisconnected
        if protocol.write_paused:
            return False
        self.response_started = True
        body = b"" if self._is_head else response.body
        protocol.write_buffer.write_buffered(
            self._build_head(response.status, response.headers) + body
        )
        self._complete_response()
        return True

    def abort(self, *, reset: bool) -> None:
        """End the connection: at once by a reset, or after what was sent."""
        self.disconnected = True
        write_buffer = self._protocol.write_buffer
        write_buffer.abort(reset=True) if reset else write_buffer.close()

    def _complete_response(self) -> None:
        self.response_complete = True
        if self._receive_waiter is not None:
            self._wake()
        self._protocol.on_response_complete(self)

    def _build_head(self, status: int, headers: Headers) -> bytes:
        """The head of the answer as bytes."""
        # A client that was not asked for its body may or may not send it: nothing can follow.
        if self._expects_continue:
            self.keep_alive = False
        head, self._chunked_encoding = _render_head(status, headers)
        context = self._protocol.context
        default_headers = (
            context.default_headers if self.keep_alive else context.default_headers_and_close
        )
        return head + default_headers

    def _encode_chunk(self, body: bytes, more_body: bool) -> list[bytes]:
        if not self._chunked_encoding:
            return [body]
        chunk = [b"%x\r\n" % len(body), body, b"\r\n"] if body else []
        return chunk if more_body else [*chunk, b"0\r\n\r\n"]


@lru_cache(maxsize=4096)  # the same few heads leave again and again
def _render_head(status: int, headers: Headers) -> tuple[bytes, bool]:
    """The lines of an answer's head that it brings itself, and whether its body is chunked."""
    lines = [status_line(status), *(b"%s: %s\r\n" % header for header in headers)]
    if chunked := status not in _BODILESS_STATUSES and b"content-length" not in dict(headers):
        lines.append(b"transfer-encoding: chunked\r\n")
    return b"".join(lines), chunked

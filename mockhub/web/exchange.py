"""One request on a connection and its answer: what the app receives and sends."""

from __future__ import annotations

import asyncio
from functools import lru_cache
from typing import TYPE_CHECKING

from mockhub.web.asgi import Message
from mockhub.web.bodies import ClientGone
from mockhub.web.wire import Answer, Headers, status_line

if TYPE_CHECKING:
    from mockhub.web.connection import Connection

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_DISCONNECT = {"type": "http.disconnect"}
_NO_BODY = (204, 304)


class Exchange:
    """What has come of a request, and how far its answer is.

    Args:
        connection: where it came from.
        keep_alive: whether another request may follow.
        expects_continue: whether the client waits to be asked for the body.
        wants_head: whether the answer goes without its body.
    """

    # What has not come yet stays as it stands here.
    whole = False  # the whole request came
    gone = False  # the client left
    started = False  # the answer began
    done = False  # all of the answer left
    task: asyncio.Task[None] | None = None
    _body: bytes | bytearray = b""
    _news = False  # something came that the app has not seen
    _seen = False  # the app has seen something of the body
    _waiter: asyncio.Future[None] | None = None
    _head: bytes | None = None  # waits for the first piece of the body, to leave with it
    _chunked = False

    def __init__(
        self, connection: Connection, *, keep_alive: bool, expects_continue: bool, wants_head: bool
    ) -> None:
        self._connection = connection
        self.keep_alive = keep_alive
        self._expects_continue = expects_continue
        self._wants_head = wants_head

    # -- what the connection tells ---------------------------------------------------------------

    def arrive(self, piece: bytes) -> int:
        """Another piece of the body came; returns how many bytes wait for the app."""
        if self._body:
            if isinstance(self._body, bytes):
                self._body = bytearray(self._body)  # many small pieces are cheap to add
            self._body += piece
        else:
            self._body = piece
        self._news = True
        if self._waiter is not None:
            self._wake()
        return len(self._body)

    def end(self) -> None:
        """The request is whole."""
        self.whole = self._news = True
        if self._waiter is not None:
            self._wake()

    def lose(self) -> None:
        """The client left, or is not listened to any more."""
        self.gone = True
        if self._waiter is not None:
            self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # -- what the app asks -----------------------------------------------------------------------

    async def receive(self) -> Message:
        """The next piece of the body, or that the client left."""
        if self._expects_continue and not self.started and not self.gone:
            self._connection.outlet.write(_CONTINUE)
        self._expects_continue = False
        self._connection.listen()
        while (message := self.ready()) is None:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        return message

    def ready(self) -> Message | None:
        """What `receive` would tell without a wait; None if it has to be asked."""
        if self._expects_continue:
            return None
        if self.gone or self.done:
            return _DISCONNECT.copy()
        if not self._news:
            return None
        return {"type": "http.request", "body": self._taken(), "more_body": not self.whole}

    async def send(self, message: Message) -> None:
        """Send the head of the answer, or a piece of its body."""
        await self._connection.drained()
        if self.gone or self.done:
            return
        if message["type"] == "http.response.start":
            self._head = self._rendered(
                message["status"], tuple([(name, value) for name, value in message["headers"]])
            )
            self.started = True
            return
        pieces = [] if self._head is None else [self._head]
        self._head = None
        body, more = message.get("body", b""), message.get("more_body", False)
        if not self._wants_head:
            pieces += self._framed(body, more)
        self._connection.outlet.write(b"".join(pieces))
        if not more:
            self._finish()

    def arrived(self) -> bytes | None:
        """The body, if all of it has come and nobody has seen any; else `receive` tells."""
        if not self.whole or self._seen or self.gone or self._expects_continue:
            return None
        return self._taken()

    def _taken(self) -> bytes:
        if self._connection.paused:
            self._connection.listen()
        self._news = False
        self._seen = True
        body, self._body = self._body, b""
        return bytes(body)

    def respond(self, answer: Answer) -> bool:
        """Send a whole answer; False if the client has to read first.

        Raises:
            ClientGone: if there is nobody to send it to.
        """
        connection = self._connection
        if self.gone:
            raise ClientGone
        if connection.clogged:
            return False
        self.started = True
        body = b"" if self._wants_head else answer.body
        connection.outlet.hold(self._rendered(answer.status, answer.headers) + body)
        self._finish()
        return True

    def abort(self, *, reset: bool) -> None:
        """End the connection: at once by a reset, or after what was sent."""
        self.gone = True
        outlet = self._connection.outlet
        outlet.abort(reset=True) if reset else outlet.close()

    def _finish(self) -> None:
        self.done = True
        if self._waiter is not None:
            self._wake()
        self._connection.answered(self)

    def _rendered(self, status: int, headers: Headers) -> bytes:
        """The head of the answer as bytes."""
        # A client that was not asked for its body may or may not send it: nothing can follow.
        if self._expects_continue:
            self.keep_alive = False
        head, self._chunked = _own_lines(status, headers)
        watch = self._connection.watch
        last = watch.last_headers if self.keep_alive else watch.last_headers_and_close
        return head + last

    def _framed(self, body: bytes, more: bool) -> list[bytes]:
        if not self._chunked:
            return [body]
        chunk = [b"%x\r\n" % len(body), body, b"\r\n"] if body else []
        return chunk if more else [*chunk, b"0\r\n\r\n"]


@lru_cache(maxsize=4096)  # the same few heads leave again and again
def _own_lines(status: int, headers: Headers) -> tuple[bytes, bool]:
    """The lines of an answer's head that it brings itself, and whether its body is chunked."""
    lines = [status_line(status), *(b"%s: %s\r\n" % header for header in headers)]
    if chunked := status not in _NO_BODY and b"content-length" not in dict(headers):
        lines.append(b"transfer-encoding: chunked\r\n")
    return b"".join(lines), chunked

"""A connection without a network: its two ends in one thread, each step when a test says so."""

from __future__ import annotations

import asyncio
from typing import Any

from mockhub.server.protocol import HttpProtocol

HIGH, LOW = 400, 100  # bytes that wait for the client until the server may not write, and may
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class FakeTransport(asyncio.Transport):
    """What a connection writes to, and what a client sends and reads; as strict as uvloop's.

    Attributes:
        coming: what the client has sent and the server has not read.
        going: what the server has written and the client has not read.
        got: what the client has read.
        reading: whether the server takes what is coming.
        over: whether the server has said its last.
        lost: whether the server knows that the connection is gone.
    """

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)})
        self.coming, self.going, self.got = bytearray(), bytearray(), bytearray()
        self.reading, self.over, self.lost = True, False, False
        self._closing = self._clogged = False

    def open(self, connection: HttpProtocol) -> None:
        """Connect to the server."""
        self._connection = connection
        connection.connection_made(self)

    # -- the client's end ------------------------------------------------------------------------

    def deliver(self, size: int) -> None:
        """Let the server have the next *size* bytes, if it takes any."""
        if self.reading and self.coming and not self._closing:
            piece = bytes(self.coming[:size])
            del self.coming[:size]
            self._connection.data_received(piece)

    def read(self, size: int) -> None:
        """Let the client read *size* bytes."""
        self.got += self.going[:size]
        del self.going[:size]
        if self._clogged and len(self.going) <= LOW:
            self._clogged = False
            self._connection.resume_writing()
        if self._closing and not self.going:
            self._lose()

    def leave(self) -> None:
        """Let the server see that the client has gone."""
        if not self._closing:
            assert self.reading, "nobody hears that the client leaves"
            if not self._connection.eof_received():
                self.close()
        self.going.clear()
        self._lose()

    def _lose(self) -> None:
        if not self.lost:
            self.lost = True
            self._connection.connection_lost(None)

    # -- the server's end ------------------------------------------------------------------------

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.over, f"written after the end: {bytes(data)!r}"
        assert not self._clogged or data == CONTINUE, f"nobody reads: {bytes(data)!r}"
        self.going += data
        if len(self.going) > HIGH and not self._clogged:
            self._clogged = True
            self._connection.pause_writing()

    def pause_reading(self) -> None:
        assert self.reading and not self._closing
        self.reading = False

    def resume_reading(self) -> None:
        assert not self.reading
        self.reading = not self._closing

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.over = True

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        self.over = self._closing = True
        self.reading = False
        if not self.going:
            asyncio.get_running_loop().call_soon(self._lose)

    def abort(self) -> None:
        self.going.clear()
        self.close()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return None if name == "socket" else super().get_extra_info(name, default)

"""A transport without a network: a test decides when bytes arrive and when they are read."""

from __future__ import annotations

import asyncio
from typing import Any

from mockhub.server.protocol import HttpProtocol

HIGH_WATER, LOW_WATER = 400, 100  # unread bytes at which writing is paused and resumed
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class FakeTransport(asyncio.Transport):
    """The connection of a client, as strict as uvloop's transports.

    Attributes:
        inbound: What the client has sent and the server has not read.
        outbound: What the server has written and the client has not read.
        received: What the client has read.
        reading: The server reads.
        write_closed: The server will write no more.
        lost: `connection_lost` was called.
    """

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)})
        self.inbound, self.outbound, self.received = bytearray(), bytearray(), bytearray()
        self.reading, self.write_closed, self.lost = True, False, False
        self._closing = self._write_paused = False

    def open(self, protocol: HttpProtocol) -> None:
        """Connect to the server."""
        self._protocol = protocol
        protocol.connection_made(self)

    # -- the client's end ------------------------------------------------------------------------

    def deliver(self, size: int) -> None:
        """Pass the next *size* bytes to the server, if it reads."""
        if self.reading and self.inbound and not self._closing:
            data = bytes(self.inbound[:size])
            del self.inbound[:size]
            self._protocol.data_received(data)

    def read(self, size: int) -> None:
        """Read up to *size* bytes of what the server has written."""
        self.received += self.outbound[:size]
        del self.outbound[:size]
        if self._write_paused and len(self.outbound) <= LOW_WATER:
            self._write_paused = False
            self._protocol.resume_writing()
        if self._closing and not self.outbound:
            self._lose()

    def disconnect(self) -> None:
        """Disconnect the client, and let the server notice it."""
        if not self._closing:
            assert self.reading, "a server that does not read cannot notice the disconnect"
            if not self._protocol.eof_received():
                self.close()
        self.outbound.clear()
        self._lose()

    def _lose(self) -> None:
        if not self.lost:
            self.lost = True
            self._protocol.connection_lost(None)

    # -- the server's end ------------------------------------------------------------------------

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.write_closed, f"written after the end: {bytes(data)!r}"
        assert not self._write_paused or data == CONTINUE, f"written while paused: {bytes(data)!r}"
        self.outbound += data
        if len(self.outbound) > HIGH_WATER and not self._write_paused:
            self._write_paused = True
            self._protocol.pause_writing()

    def pause_reading(self) -> None:
        assert self.reading
        assert not self._closing
        self.reading = False

    def resume_reading(self) -> None:
        assert not self.reading
        self.reading = not self._closing

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.write_closed = True

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        self.write_closed = self._closing = True
        self.reading = False
        if not self.outbound:
            asyncio.get_running_loop().call_soon(self._lose)

    def abort(self) -> None:
        self.outbound.clear()
        self.close()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return None if name == "socket" else super().get_extra_info(name, default)

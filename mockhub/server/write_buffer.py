"""The way out of a connection: answers leave together, everything else at once and in order."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any


class WriteBatch:
    """Answers of many connections that wait until all that came with them was looked at.

    A write may wake a client on the same machine, which then takes the processor from the answers
    to the others; written in a row they cost a third less. Who is alone waits for nobody.

    Attributes:
        members: how many outlets are open.
    """

    def __init__(self) -> None:
        self.open_connections = 0
        self._pending: list[WriteBuffer] = []

    def add(self, write_buffer: WriteBuffer, loop: asyncio.AbstractEventLoop) -> None:
        """Let an outlet send what it holds when the round is over."""
        if not self._pending:
            loop.call_soon(self._flush_all)
        self._pending.append(write_buffer)

    def _flush_all(self) -> None:
        pending, self._pending = self._pending, []
        for write_buffer in pending:
            write_buffer.flush()


class WriteBuffer:
    """Where a connection's bytes go; what is held leaves before anything else does."""

    __slots__ = ("_buffer", "_loop", "_batch", "_transport")

    def __init__(self, transport: Any, batch: WriteBatch, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._batch = batch
        self._loop = loop
        self._buffer = b""
        batch.open_connections += 1

    def write_buffered(self, data: bytes) -> None:
        """Send *data* with the answers to what came at the same time."""
        if self._batch.open_connections == 1:
            self.write(data)
            return
        if not self._buffer:
            self._batch.add(self, self._loop)
        self._buffer += data

    def flush(self) -> None:
        """Send what is held."""
        data, self._buffer = self._buffer, b""
        if data and not self._transport.is_closing():
            self._transport.write(data)

    def write(self, data: bytes) -> None:
        """Send *data* now."""
        self.flush()
        self._transport.write(data)

    def discard(self) -> None:
        """The connection is no more, and what is held has nowhere to go."""
        self._buffer = b""
        self._batch.open_connections -= 1

    def write_eof(self) -> None:
        """Send no more; what comes is still heard."""
        self.flush()
        self._transport.write_eof()

    def close(self) -> None:
        """End the connection when all that was written has left."""
        self.flush()
        self._transport.close()

    def abort(self, *, reset: bool = False) -> None:
        """End the connection at once, by a reset if so asked."""
        self.flush()
        if reset and (sock := self._transport.get_extra_info("socket")):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

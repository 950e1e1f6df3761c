"""Write to connections, with the responses of one event-loop iteration in a batch."""

from __future__ import annotations

import asyncio
import socket
import struct


class WriteBatch:
    """The responses of one event-loop iteration, over all connections.

    A write wakes a client on the same machine, which then competes for the processor with the
    responses that are still to be made. Writing them together costs the benchmark `GET models`
    41 us of processor time instead of 64, and `POST, synchronous` 127 us instead of 161 (2 virtual
    cores, 16 connections).

    Attributes:
        open_connections: The number of open connections. A single one is never delayed.
    """

    def __init__(self) -> None:
        self.open_connections = 0
        self._pending: list[WriteBuffer] = []

    def add(self, write_buffer: WriteBuffer) -> None:
        """Flush a buffer at the end of the current event-loop iteration."""
        if not self._pending:
            asyncio.get_running_loop().call_soon(self._flush_all)
        self._pending.append(write_buffer)

    def _flush_all(self) -> None:
        pending, self._pending = self._pending, []
        for write_buffer in pending:
            write_buffer.flush()


class WriteBuffer:
    """The output of one connection. Buffered data precedes everything else."""

    __slots__ = ("_batch", "_buffer", "_transport")

    def __init__(self, transport: asyncio.Transport, batch: WriteBatch) -> None:
        self._transport = transport
        self._batch = batch
        self._buffer = b""
        batch.open_connections += 1

    def write_buffered(self, data: bytes) -> None:
        """Write *data* with the next batch."""
        if self._batch.open_connections == 1:
            self.write(data)
            return
        if not self._buffer:
            self._batch.add(self)
        self._buffer += data

    def flush(self) -> None:
        data, self._buffer = self._buffer, b""
        if data and not self._transport.is_closing():
            self._transport.write(data)

    def write(self, data: bytes) -> None:
        """Write *data* now."""
        self.flush()
        self._transport.write(data)

    def discard(self) -> None:
        """Drop the buffered data of a lost connection."""
        self._buffer = b""
        self._batch.open_connections -= 1

    def write_eof(self) -> None:
        """Close the write end. The read end stays open."""
        self.flush()
        self._transport.write_eof()

    def close(self) -> None:
        """Close the connection once everything has been sent."""
        self.flush()
        self._transport.close()

    def abort(self, *, reset: bool = False) -> None:
        """Close the connection at once, with a TCP reset on request."""
        self.flush()
        abort(self._transport, reset=reset)


def abort(transport: asyncio.Transport, *, reset: bool) -> None:
    """Close a connection at once, with a TCP reset on request: the peer gets nothing more."""
    if reset and (sock := transport.get_extra_info("socket")):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()

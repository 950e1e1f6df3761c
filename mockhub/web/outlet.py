"""The way out of a connection: answers leave together, everything else at once and in order."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any


class Round:
    """Answers of many connections that wait until all that came with them was looked at.

    A write may wake a client on the same machine, which then takes the processor from the answers
    to the others; written in a row they cost a third less. Who is alone waits for nobody.

    Attributes:
        members: how many outlets are open.
    """

    def __init__(self) -> None:
        self.members = 0
        self._outlets: list[Outlet] = []

    def join(self, outlet: Outlet, loop: asyncio.AbstractEventLoop) -> None:
        """Let an outlet send what it holds when the round is over."""
        if not self._outlets:
            loop.call_soon(self._over)
        self._outlets.append(outlet)

    def _over(self) -> None:
        outlets, self._outlets = self._outlets, []
        for outlet in outlets:
            outlet.flush()


class Outlet:
    """Where a connection's bytes go; what is held leaves before anything else does."""

    __slots__ = ("_held", "_loop", "_round", "_transport")

    def __init__(self, transport: Any, round: Round, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._round = round
        self._loop = loop
        self._held = b""
        round.members += 1

    def hold(self, data: bytes) -> None:
        """Send *data* with the answers to what came at the same time."""
        if self._round.members == 1:
            self.write(data)
            return
        if not self._held:
            self._round.join(self, self._loop)
        self._held += data

    def flush(self) -> None:
        """Send what is held."""
        held, self._held = self._held, b""
        if held and not self._transport.is_closing():
            self._transport.write(held)

    def write(self, data: bytes) -> None:
        """Send *data* now."""
        self.flush()
        self._transport.write(data)

    def lose(self) -> None:
        """The connection is no more, and what is held has nowhere to go."""
        self._held = b""
        self._round.members -= 1

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
        if reset and (end := self._transport.get_extra_info("socket")):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

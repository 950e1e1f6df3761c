"""Flow control of one connection: when to read from the client, and when to write to it."""

from __future__ import annotations

import asyncio
import select

_HANGUP_EVENTS = getattr(select, "POLLRDHUP", 0) | select.POLLHUP | select.POLLERR


def has_hung_up(fileno: int) -> bool:
    """Return whether the peer has closed its end of a socket, also behind unread input."""
    poll = select.poll()
    poll.register(fileno, _HANGUP_EVENTS | select.POLLIN)
    return any(events & _HANGUP_EVENTS for _, events in poll.poll(0))


class FlowControl:
    """The pause state of both directions.

    Attributes:
        read_paused: The connection does not read from the client.
        write_paused: The client does not read what was written.
    """

    __slots__ = ("read_paused", "write_paused", "_transport", "_drain_waiter")

    def __init__(self, transport: asyncio.Transport) -> None:
        self.read_paused = False
        self.write_paused = False
        self._transport = transport
        self._drain_waiter: asyncio.Future[None] | None = None

    def pause_reading(self) -> None:
        if not self.read_paused:
            self.read_paused = True
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        if self.read_paused and not self._transport.is_closing():
            self.read_paused = False
            self._transport.resume_reading()

    def pause_writing(self) -> None:
        self.write_paused = True

    def resume_writing(self) -> None:
        self.write_paused = False
        if self._drain_waiter is not None and not self._drain_waiter.done():
            self._drain_waiter.set_result(None)

    async def drain(self) -> None:
        """Wait until writing is no longer paused."""
        if self.write_paused:
            if self._drain_waiter is None or self._drain_waiter.done():
                self._drain_waiter = asyncio.get_running_loop().create_future()
            await self._drain_waiter

"""Wait on a hub's clock: the only place where a request waits for time to pass."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from mockhub._timestamps import SECOND
from mockhub.domain.clock import ManualClock
from mockhub.domain.hub import HubBackend
from mockhub.web.asgi import Receive
from mockhub.web.request_body import ClientDisconnected


class WaitCancelled(Exception):
    """The server shuts down, or the hub was reset or deleted."""


class ClockWaiter:
    """Every wait of one server, so that a shutdown can end them all."""

    def __init__(self) -> None:
        self.wakers: set[Callable[[], None]] = set()
        self._closed = False

    def close(self) -> None:
        """Cancel all waits, and every later one."""
        self._closed = True
        for wake in tuple(self.wakers):
            wake()

    async def wait_until(
        self,
        hub: HubBackend,
        deadline: int | None,
        receive: Receive | None = None,
        *,
        is_done: Callable[[], bool] = lambda: False,
    ) -> None:
        """Wait until the hub's clock reaches the deadline, or until *is_done* returns true.

        A manual clock in the mode `autojump` is set to the deadline instead.

        Args:
            hub: The hub, which also wakes the wait when anything in it changes.
            deadline: A time in milliseconds, or None to wait for *is_done* only.
            receive: The request to watch for a disconnect, if its body has been read.
            is_done: Ends the wait early.

        Raises:
            WaitCancelled: if the server shuts down, or the hub is reset or deleted.
            ClientDisconnected: if the watched client disconnects.
        """
        waiter, epoch = None, hub.epoch
        try:
            while not is_done() and (deadline is None or hub.clock.now() < deadline):
                if deadline is not None and _autojump(hub, deadline):
                    continue
                waiter = waiter or _Waiter(self, hub, receive)
                await waiter.wait(_remaining(hub, deadline))
                if hub.epoch != epoch:
                    raise WaitCancelled
        finally:
            if waiter:
                waiter.close()

    async def wait_forever(self, hub: HubBackend, receive: Receive) -> None:
        """Wait until the client disconnects or the server shuts down; always raises."""
        await self.wait_until(hub, None, receive)

    def raise_if_closed(self) -> None:
        if self._closed:
            raise WaitCancelled


def _autojump(hub: HubBackend, deadline: int) -> bool:
    """Set a manual clock in the mode `autojump` to the deadline; return whether it is one."""
    clock = hub.clock
    if isinstance(clock, ManualClock) and clock.mode == "autojump":
        clock.set(deadline)
        return True
    return False


def _remaining(hub: HubBackend, deadline: int | None) -> int | None:
    if deadline is None or isinstance(hub.clock, ManualClock):
        return None
    return deadline - hub.clock.now()


class _Waiter:
    """The wait of one request: the hub, time, a disconnect or a shutdown wakes it."""

    def __init__(self, owner: ClockWaiter, hub: HubBackend, receive: Receive | None) -> None:
        self._owner = owner
        self._hub = hub
        self._event = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._disconnect_task = (
            asyncio.ensure_future(_wait_for_disconnect(receive)) if receive else None
        )
        if self._disconnect_task:
            self._disconnect_task.add_done_callback(lambda _: self._event.set())
        hub.listeners.append(self._wake)
        owner.wakers.add(self._event.set)

    async def wait(self, milliseconds: int | None) -> None:
        self._owner.raise_if_closed()
        seconds = None if milliseconds is None else max(milliseconds, 1) / SECOND
        try:
            await asyncio.wait_for(self._event.wait(), seconds)
        except TimeoutError:
            return
        self._event.clear()
        self._owner.raise_if_closed()
        if self._disconnect_task and self._disconnect_task.done():
            raise ClientDisconnected

    def _wake(self) -> None:
        self._loop.call_soon_threadsafe(self._event.set)

    def close(self) -> None:
        self._hub.listeners.remove(self._wake)
        self._owner.wakers.discard(self._event.set)
        if self._disconnect_task:
            self._disconnect_task.cancel()


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass

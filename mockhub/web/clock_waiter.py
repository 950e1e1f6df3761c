"""Waiting on a hub's clock; the only place where a request waits for time to pass."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from mockhub._timestamps import SECOND
from mockhub.domain.clock import ManualClock
from mockhub.domain.hub import HubBackend
from mockhub.server.eager import wait_for
from mockhub.web.asgi import Receive
from mockhub.web.request_body import ClientDisconnected


class WaitCancelled(Exception):
    """What was waited for will not come: the server goes down, or the hub is no more."""


class ClockWaiter:
    """All that waits in one server, so that closing it can end every wait."""

    def __init__(self) -> None:
        self.wakers: set[Callable[[], None]] = set()
        self._closed = False

    def close(self) -> None:
        """End every wait, now and from now on."""
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
        """Wait until *moment* (milliseconds, the hub's clock; None: no moment) or until *done*.

        A manual clock in the autojump mode is moved there instead.

        Raises:
            Closing: if the server goes down meanwhile, or the hub is reset or dropped.
            ClientGone: if *receive* is given and the client leaves meanwhile.
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
        """Wait until the client leaves or the server goes down; always raises."""
        await self.wait_until(hub, None, receive, is_done=lambda: False)

    def raise_if_closed(self) -> None:
        if self._closed:
            raise WaitCancelled


def _autojump(hub: HubBackend, deadline: int) -> bool:
    """Move a manual clock that jumps to *moment*; whether there is one."""
    clock = hub.clock
    if isinstance(clock, ManualClock) and clock.mode == "autojump":
        clock.set(deadline)
        return True
    return False


def _remaining(hub: HubBackend, deadline: int | None) -> int | None:
    """How long until *moment*, where time passes by itself."""
    if deadline is None or isinstance(hub.clock, ManualClock):
        return None
    return deadline - hub.clock.now()


class _Waiter:
    """One request's wait: woken by the hub, by time, by the client leaving, or by closing."""

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
            await wait_for(self._event.wait(), seconds)
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

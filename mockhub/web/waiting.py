"""Waiting on a hub's clock; the only place where a request waits for time to pass."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from mockhub.web.asgi import Receive
from mockhub.web.bodies import ClientGone
from mockhub.web.steps import in_time
from mockhub.world.clock import SECOND, ManualClock
from mockhub.world.hub import Hub


class Closing(Exception):
    """What was waited for will not come: the server goes down, or the hub is no more."""


class Waiting:
    """All that waits in one server, so that closing it can end every wait."""

    def __init__(self) -> None:
        self._wakers: set[Callable[[], None]] = set()
        self._closed = False

    def close(self) -> None:
        """End every wait, now and from now on."""
        self._closed = True
        for wake in tuple(self._wakers):
            wake()

    async def until(
        self,
        hub: Hub,
        moment: int | None,
        receive: Receive | None = None,
        *,
        done: Callable[[], bool] = lambda: False,
    ) -> None:
        """Wait until *moment* (milliseconds, the hub's clock; None: no moment) or until *done*.

        A manual clock in the jump manner is moved there instead.

        Raises:
            Closing: if the server goes down meanwhile, or the hub is reset or dropped.
            ClientGone: if *receive* is given and the client leaves meanwhile.
        """
        pause, life = None, hub.life
        try:
            while not done() and (moment is None or hub.clock.now() < moment):
                if moment is not None and _jump(hub, moment):
                    continue
                pause = pause or _Pause(self, hub, receive)
                await pause.take(_left(hub, moment))
                if hub.life != life:
                    raise Closing
        finally:
            if pause:
                pause.end()

    async def for_ever(self, hub: Hub, receive: Receive) -> None:
        """Wait until the client leaves or the server goes down; always raises."""
        await self.until(hub, None, receive, done=lambda: False)

    def _check(self) -> None:
        if self._closed:
            raise Closing


def _jump(hub: Hub, moment: int) -> bool:
    """Move a manual clock that jumps to *moment*; whether there is one."""
    clock = hub.clock
    if isinstance(clock, ManualClock) and clock.manner == "jump":
        clock.set(moment)
        return True
    return False


def _left(hub: Hub, moment: int | None) -> int | None:
    """How long until *moment*, where time passes by itself."""
    if moment is None or isinstance(hub.clock, ManualClock):
        return None
    return moment - hub.clock.now()


class _Pause:
    """One request's wait: woken by the hub, by time, by the client leaving, or by closing."""

    def __init__(self, waiting: Waiting, hub: Hub, receive: Receive | None) -> None:
        self._waiting = waiting
        self._hub = hub
        self._event = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._client = asyncio.ensure_future(_leaving(receive)) if receive else None
        if self._client:
            self._client.add_done_callback(lambda _: self._event.set())
        hub.listeners.append(self._wake)
        waiting._wakers.add(self._event.set)

    async def take(self, milliseconds: int | None) -> None:
        self._waiting._check()
        seconds = None if milliseconds is None else max(milliseconds, 1) / SECOND
        try:
            await in_time(self._event.wait(), seconds)
        except TimeoutError:
            return
        self._event.clear()
        self._waiting._check()
        if self._client and self._client.done():
            raise ClientGone

    def _wake(self) -> None:
        self._loop.call_soon_threadsafe(self._event.set)

    def end(self) -> None:
        self._hub.listeners.remove(self._wake)
        self._waiting._wakers.discard(self._event.set)
        if self._client:
            self._client.cancel()


async def _leaving(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass

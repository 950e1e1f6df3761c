"""Wait on a hub's clock: the only place where a request waits for time to pass."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from time import perf_counter

from mockhub._timestamps import SECOND
from mockhub.domain.clock import MAX_TIMESTAMP, ManualClock
from mockhub.domain.generations import Generation
from mockhub.domain.hub import HubBackend
from mockhub.exceptions import ServiceUnavailable
from mockhub.faults.types import MAX_WAIT
from mockhub.web.context import RequestContext
from mockhub.web.request_body import ClientDisconnected


class WaitCancelled(Exception):
    """The server shuts down, the hub was reset or deleted, or the request waits for too long."""


class ClockWaiter:
    """Every wait of one server, so that a shutdown can end them all.

    A wait ends early when the client disconnects (`ClientDisconnected`). It ends with
    `WaitCancelled` when the server shuts down, when the hub is reset or deleted, and when its
    request has taken `MAX_WAIT` of real time.

    Attributes:
        wakers: Called when the server shuts down.
        closed: Whether it does.
    """

    def __init__(self) -> None:
        self.wakers: set[Callable[[], None]] = set()
        self.closed = False

    def close(self) -> None:
        """Cancel all waits, and every later one."""
        self.closed = True
        for wake in tuple(self.wakers):
            wake()

    async def wait_until(self, context: RequestContext, deadline: int | None) -> None:
        """Wait until the hub's clock reaches the deadline (milliseconds); None means for ever.

        A manual clock in the mode `autojump` is set to the deadline instead. No clock goes beyond
        MAX_TIMESTAMP, and no wait either.
        """
        hub = context.hub
        if deadline is not None:
            deadline = min(deadline, MAX_TIMESTAMP)
        with _Waiter(self, context) as waiter:
            while deadline is None or hub.clock.now() < deadline:
                await waiter.wait_for_clock(deadline)

    async def wait_for_completion(
        self, context: RequestContext, generation: Generation
    ) -> Generation:
        """Wait until a generation has ended, by the hub's clock or by hand; return it."""
        hub, id = context.hub, generation.id
        with _Waiter(self, context) as waiter:
            hub.completion_listeners[id] = waiter.wake
            hub.retain(id)
            try:
                while not generation.ended:
                    await waiter.wait_for_clock(generation.due_at)
                    hub.settle()
                    generation = _find_generation(hub, id)
            finally:
                hub.completion_listeners.pop(id, None)
                hub.release(id)
        return generation

    async def sleep(self, context: RequestContext, seconds: float) -> None:
        """Wait in real time, whatever the hub's clock does."""
        wake_at = perf_counter() + seconds
        with _Waiter(self, context) as waiter:
            while (remaining := wake_at - perf_counter()) > 0:
                await waiter.wait(remaining)

    def raise_if_closed(self) -> None:
        if self.closed:
            raise WaitCancelled


class _Waiter:
    """The wait of one request: the hub's clock, time, a disconnect or a shutdown wakes it."""

    def __init__(self, owner: ClockWaiter, context: RequestContext) -> None:
        self._owner = owner
        self._hub = context.hub
        self._epoch = context.hub.epoch
        self._source = context.source
        self._give_up_at = context.started_at + MAX_WAIT / SECOND
        self._event = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._disconnected = False

    def __enter__(self) -> _Waiter:
        self._hub.clock_listeners.add(self.wake)
        self._owner.wakers.add(self._event.set)
        self._source.watch(self._on_disconnect)
        return self

    def __exit__(self, *error: object) -> None:
        self._source.unwatch()
        self._owner.wakers.discard(self._event.set)
        self._hub.clock_listeners.discard(self.wake)

    async def wait_for_clock(self, deadline: int | None) -> None:
        """Wait until something may have changed; move a clock in the mode `autojump`."""
        clock = self._hub.clock
        if deadline is None or (isinstance(clock, ManualClock) and clock.mode == "hold"):
            await self.wait(None)
        elif isinstance(clock, ManualClock):
            clock.set(max(deadline, clock.now()))
        else:
            await self.wait(max(deadline - clock.now(), 1) / SECOND)

    async def wait(self, seconds: float | None) -> None:
        """Wait until *wake* is called, or for that time."""
        self._owner.raise_if_closed()
        remaining = self._give_up_at - perf_counter()
        with suppress(TimeoutError):
            timeout = remaining if seconds is None else min(seconds, remaining)
            await asyncio.wait_for(self._event.wait(), timeout)
        self._event.clear()
        self._owner.raise_if_closed()
        if self._disconnected:
            raise ClientDisconnected
        if self._hub.epoch != self._epoch or perf_counter() >= self._give_up_at:
            raise WaitCancelled

    def wake(self) -> None:
        self._loop.call_soon_threadsafe(self._event.set)

    def _on_disconnect(self) -> None:
        self._disconnected = True
        self._event.set()


def _find_generation(hub: HubBackend, id: str) -> Generation:
    if generation := hub.generations.get(id):
        return generation
    raise ServiceUnavailable(  # another server of the same database did not retain it
        f"Generation {id} has ended and was evicted on another server while the request waited: "
        f"the hub keeps {hub.max_generations}; expected a greater --max-generations"
    )

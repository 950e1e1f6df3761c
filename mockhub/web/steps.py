"""Work that seldom waits: begun at once, and made a task of only when it does wait."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine, Generator
from functools import partial
from types import coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def begin(
    work: Coroutine[Any, Any, None], loop: asyncio.AbstractEventLoop
) -> asyncio.Task[None] | None:
    """Run *work* up to its first wait; None if there was none, as in nearly all requests."""
    try:
        first = work.send(None)
    except StopIteration:
        return None
    return loop.create_task(_go_on(work, first))


async def in_time(awaitable: Awaitable[T], seconds: float | None) -> T:
    """Wait for something, at most so long; None is for ever. Raises TimeoutError.

    asyncio's own way has to be in a task from Python 3.12 on, which a first wait makes of the work.
    """
    if asyncio.current_task() is None:
        await asyncio.sleep(0)
    return await asyncio.wait_for(awaitable, seconds)


async def _go_on(work: Coroutine[Any, Any, None], first: Any) -> None:
    await _left(work, first)


@coroutine
def _left(work: Coroutine[Any, Any, None], first: Any) -> Generator[Any, Any, None]:
    """What is left of *work*, from the wait that it began with."""
    waits_for = first
    while True:
        try:
            got = yield waits_for
        except BaseException as error:
            step = partial(work.throw, error)
        else:
            step = partial(work.send, got)
        try:
            waits_for = step()
        except StopIteration:
            return

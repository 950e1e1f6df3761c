"""Work that seldom waits: begun at once, and made a task of only when it does wait."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from functools import partial
from types import coroutine
from typing import Any


def run_eagerly(
    coro: Coroutine[Any, Any, None], loop: asyncio.AbstractEventLoop
) -> asyncio.Task[None] | None:
    """Run *work* up to its first wait; None if there was none, as in nearly all requests."""
    try:
        first_yield = coro.send(None)
    except StopIteration:
        return None
    return loop.create_task(_resume_as_task(coro, first_yield))


async def _resume_as_task(coro: Coroutine[Any, Any, None], first_yield: Any) -> None:
    await _resume(coro, first_yield)


@coroutine
def _resume(coro: Coroutine[Any, Any, None], first_yield: Any) -> Generator[Any, Any, None]:
    """What is left of *work*, from the wait that it began with."""
    yielded = first_yield
    while True:
        try:
            result = yield yielded
        except BaseException as error:
            advance = partial(coro.throw, error)
        else:
            advance = partial(coro.send, result)
        try:
            yielded = advance()
        except StopIteration:
            return

"""Work that seldom waits: begun at once, and made a task of only when it does wait."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine, Generator
from functools import partial
from types import coroutine
from typing import Any

Task = asyncio.Task[None]

if sys.version_info >= (3, 12):

    def begin(work: Coroutine[Any, Any, None], loop: asyncio.AbstractEventLoop) -> Task | None:
        """Run *work* up to its first wait; None if there was none, as in nearly all requests."""
        task = asyncio.Task(work, loop=loop, eager_start=True)
        return None if task.done() else task

else:

    def begin(work: Coroutine[Any, Any, None], loop: asyncio.AbstractEventLoop) -> Task | None:
        """Run *work* up to its first wait; None if there was none, as in nearly all requests."""
        try:
            first = work.send(None)
        except StopIteration:
            return None
        return loop.create_task(_go_on(work, first))


@coroutine
def _go_on(work: Coroutine[Any, Any, None], first: Any) -> Generator[Any, Any, None]:
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

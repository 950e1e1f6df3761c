"""Work that is begun at once, and becomes a task only when it waits."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from mockhub.server.eager import run_eagerly
from mockhub.web.asgi import wait_for

pytestmark = pytest.mark.asyncio


async def begun(work: Coroutine[Any, Any, None]) -> asyncio.Task[None] | None:
    """What comes of *work* that is begun where no task runs, as in a connection's callback."""
    loop = asyncio.get_running_loop()
    made: asyncio.Future[asyncio.Task[None] | None] = loop.create_future()

    def call() -> None:
        made.set_result(run_eagerly(work, loop))

    loop.call_soon(call)
    return await made


async def test_what_does_not_wait_is_over_at_once() -> None:
    """Work without a wait leaves no task behind."""
    done: list[int] = []

    async def work() -> None:
        done.append(1)

    assert await begun(work()) is None
    assert done == [1]


async def test_what_waits_goes_on_as_a_task() -> None:
    """What work waits for reaches it, and so does being cancelled."""
    event, heard = asyncio.Event(), []

    async def work() -> None:
        await event.wait()
        heard.append("event")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            heard.append("cancelled")
            raise

    task = await begun(work())
    assert task is not None
    event.set()
    while not heard:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert heard == ["event", "cancelled"]


async def test_a_first_wait_has_an_end() -> None:
    """A limit holds for a wait that begins where no task runs, and so does a result in time."""
    heard: list[object] = []

    async def work() -> None:
        heard.append(await wait_for(asyncio.sleep(0, "in time"), 10))
        try:
            await wait_for(asyncio.Event().wait(), 0.001)
        except TimeoutError:
            heard.append("too late")

    task = await begun(work())
    assert task is not None
    await task
    assert heard == ["in time", "too late"]

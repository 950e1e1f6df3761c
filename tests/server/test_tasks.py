"""Every request runs in a task of its own, so that asyncio and anyio work as usual."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar

import anyio
import pytest
from uvicorn.server import ServerState

from mockhub.server.protocol import HttpProtocol
from mockhub.server.timeouts import ServerContext
from mockhub.spec.error_catalog import ErrorCatalog
from mockhub.web.asgi import Receive, Scope, Send
from mockhub.web.limits import Limits
from tests.support.fake_transport import FakeTransport
from tests.support.raw_http import MODELS, post_request

Handler = Callable[[Scope], Awaitable[str]]
variable: ContextVar[str] = ContextVar("variable", default="unset")


async def respond(handler: Handler, raw: bytes) -> list[bytes]:
    """Send *raw* on one connection; return the bodies of the responses."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        body = (await handler(scope)).encode()
        headers = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    state = ServerState()
    context = ServerContext(app, ErrorCatalog({}, {}), Limits())
    protocol = HttpProtocol(config=None, server_state=state, app_state={}, context=context)
    transport = FakeTransport()

    def deliver() -> None:  # outside of any task, as the event loop does
        transport.open(protocol)
        transport.coming += raw
        transport.deliver(len(raw))

    asyncio.get_running_loop().call_soon(deliver)
    async with asyncio.timeout(5):
        while transport.going.count(b"HTTP/1.1 200") < raw.count(b"HTTP/1.1") or state.tasks:
            await asyncio.sleep(0.001)
    return [part.partition(b"\r\n\r\n")[2] for part in bytes(transport.going).split(b"HTTP/1.1")][
        1:
    ]


async def reads_and_sets_a_variable(scope: Scope) -> str:
    previous = variable.get()
    variable.set("set")
    return previous


async def has_a_task(scope: Scope) -> str:
    return str(asyncio.current_task() is not None)


async def uses_timeout(scope: Scope) -> str:
    try:
        async with asyncio.timeout(0.001):
            await asyncio.Event().wait()
    except TimeoutError:
        return "timed out"
    return "not reached"


async def uses_wait_for(scope: Scope) -> str:
    try:
        await asyncio.wait_for(asyncio.Event().wait(), 0.001)
    except TimeoutError:
        return "timed out"
    return "not reached"


async def uses_a_task_group(scope: Scope) -> str:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(asyncio.sleep(0, "from a task"))
    return task.result()


async def uses_an_anyio_cancel_scope(scope: Scope) -> str:
    with anyio.move_on_after(0.001) as cancel_scope:
        await anyio.sleep_forever()
    return f"cancelled {cancel_scope.cancelled_caught}"


async def uses_an_anyio_task_group(scope: Scope) -> str:
    async with anyio.create_task_group() as group:
        group.start_soon(anyio.sleep_forever)
        await anyio.sleep(0)
        group.cancel_scope.cancel()
    return "cancelled"


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("handler", "expected"),
    [
        (reads_and_sets_a_variable, b"unset"),
        (has_a_task, b"True"),
        (uses_timeout, b"timed out"),
        (uses_wait_for, b"timed out"),
        (uses_a_task_group, b"from a task"),
        (uses_an_anyio_cancel_scope, b"cancelled True"),
        (uses_an_anyio_task_group, b"cancelled"),
    ],
)
async def test_first_suspension_may_be_anything(handler: Handler, expected: bytes) -> None:
    """It works for every request of a connection, pipelined or not, with or without a body."""
    assert await respond(handler, MODELS + post_request(b"{}") + MODELS) == 3 * [expected]

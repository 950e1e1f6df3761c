"""One connection: tasks, pipelining and the timer, over a transport without a network."""

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
from mockhub.web.asgi import AsgiApp, Receive, Scope, Send
from mockhub.web.limits import Limits
from tests.support.fake_transport import HIGH_WATER, FakeTransport
from tests.support.raw_http import MODELS, post_request

Handler = Callable[[Scope], Awaitable[str]]
variable: ContextVar[str] = ContextVar("variable", default="unset")


class Connection:
    """A connection to *app* over a fake transport."""

    def __init__(self, app: AsgiApp) -> None:
        self.state = ServerState()
        self.context = ServerContext(app, ErrorCatalog({}, {}), Limits())
        self.protocol = HttpProtocol(
            config=None, server_state=self.state, app_state={}, context=self.context
        )
        self.transport = FakeTransport()

    async def exchange(self, raw: bytes) -> list[bytes]:
        """Send *raw*; return the bodies of the responses."""
        asyncio.get_running_loop().call_soon(self._deliver, raw)  # outside of any task
        async with asyncio.timeout(5):
            while self._incomplete(raw) and not self.transport.write_closed:
                await asyncio.sleep(0.001)
        responses = bytes(self.transport.outbound).split(b"HTTP/1.1 ")[1:]
        return [response.partition(b"\r\n\r\n")[2] for response in responses]

    def _deliver(self, raw: bytes) -> None:
        self.transport.open(self.protocol)
        self.transport.inbound += raw
        self.transport.deliver(len(raw))

    def _incomplete(self, raw: bytes) -> bool:
        missing = self.transport.outbound.count(b"HTTP/1.1 200") < raw.count(b"HTTP/1.1")
        return missing or bool(self.state.tasks)


async def send_text(send: Send, text: str) -> None:
    headers = [(b"content-length", b"%d" % len(text))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode()})


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
    """It works for every request of a connection, with or without a body."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send_text(send, await handler(scope))

    raw = MODELS + post_request(b"{}") + MODELS
    assert await Connection(app).exchange(raw) == 3 * [expected]


@pytest.mark.asyncio
async def test_pipelined_requests_survive_a_late_timer() -> None:
    """Between two responses the server is late, not the client, and nothing times out."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send_text(send, "ok")
        now = connection.context.now + 1000
        connection.context.expire_timeouts(now, [connection.protocol])

    connection = Connection(app)
    assert await connection.exchange(2 * MODELS) == 2 * [b"ok"]


@pytest.mark.asyncio
@pytest.mark.parametrize("following", [b"", MODELS[:-2], MODELS, post_request(b"", length=9)])
async def test_client_that_does_not_read_has_the_idle_timeout(following: bytes) -> None:
    """Also on the only connection, whatever the client has sent after its request."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-length", b"%d" % (2 * HIGH_WATER))]
        content = 2 * HIGH_WATER * b"x"
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    connection = Connection(app)
    connection.transport.open(connection.protocol)
    connection.transport.inbound += MODELS + following
    connection.transport.deliver(100_000)
    for _ in range(10):
        await asyncio.sleep(0)
    limits = Limits()
    assert connection.protocol.deadline == limits.idle_timeout
    connection.context.expire_timeouts(limits.idle_timeout + 1, [connection.protocol])
    assert connection.transport.write_closed
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.mark.asyncio
async def test_next_request_starts_when_the_response_is_complete() -> None:
    """What the application does after its response does not delay the next request."""
    finished = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send_text(send, "ok")
        if scope["method"] == "GET":
            await finished.wait()
        finished.set()

    assert await Connection(app).exchange(MODELS + post_request(b"{}")) == 2 * [b"ok"]


@pytest.mark.asyncio
async def test_shutdown_does_not_reset_an_upload_with_its_response() -> None:
    """The connection is closed after the client, which is still sending and has to read."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send_text(send, "ok")

    connection = Connection(app)
    connection.transport.open(connection.protocol)
    connection.transport.inbound += post_request(b"", length=9)
    connection.transport.deliver(100_000)
    await asyncio.sleep(0.001)
    connection.protocol.shutdown()
    transport = connection.transport
    assert (transport.write_closed, transport.is_closing(), transport.reading) == (
        True,
        False,
        True,
    )
    transport.disconnect()

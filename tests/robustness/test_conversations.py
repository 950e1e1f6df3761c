"""Whole connections over a fake transport: any requests, in any pieces, read at any pace.

Nothing here takes time: a wait that nothing ends shows as a conversation without progress.
"""

from __future__ import annotations

import asyncio
import logging
import operator
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from uvicorn.server import ServerState

from mockhub._resources import resource_path
from mockhub.domain.clock import ManualClock
from mockhub.scenarios.builder import build_hub
from mockhub.scenarios.loader import load_scenario
from mockhub.server.protocol import MAX_PIPELINED, HttpProtocol
from mockhub.server.timeouts import ServerContext
from mockhub.web.app import create_app
from mockhub.web.limits import Limits
from tests.support.fake_transport import FakeTransport
from tests.support.live_server import PUBLISHED, read_spec
from tests.support.raw_http import AUTH, EXAMPLES, MODELS, post_request

LIMITS = Limits()
FOREVER = float("inf")
LONG = b"x" * 150_000  # more than is buffered for the application
GOOD = b'{"model": "gpt-image-2", "prompt": "A lighthouse", "size": "1024x1024"}'
CHUNKED = post_request(b"", b"Transfer-Encoding: chunked").replace(b"Content-Length: 0\r\n", b"")
UPGRADE = b"Connection: Upgrade\r\nUpgrade: h2c"
IDLE_ROUNDS = 3  # without a change, after which nothing more is expected
ITERATIONS = 20  # of the event loop, in which everything happens that needs no clock


class Sent(NamedTuple):
    """A request, and what the client has to receive.

    Attributes:
        status: The status of the response.
        last: Nothing that follows is answered.
        valid: It is an HTTP request. There may be no response to what is not.
        hangs: There is no response, and the connection stays open.
        wait: Seconds until the timeout if nothing follows.
    """

    raw: bytes
    status: int = 200
    last: bool = False
    valid: bool = True
    hangs: bool = False
    wait: float = LIMITS.keep_alive_timeout


def prompt(word: bytes) -> bytes:
    return GOOD.replace(b"A lighthouse", word)


def with_headers(raw: bytes, *headers: bytes) -> bytes:
    return raw.replace(b"\r\n", b"\r\n" + b"".join(header + b"\r\n" for header in headers), 1)


REQUESTS = {
    "get": Sent(MODELS),
    "head": Sent(MODELS.replace(b"GET", b"HEAD")),
    "options": Sent(MODELS.replace(b"GET", b"OPTIONS"), 204),
    "unknown path": Sent(MODELS.replace(b"models", b"none"), 404),
    "post": Sent(post_request(GOOD)),
    "chunked": Sent(
        CHUNKED + b"9\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n" % (GOOD[:9], len(GOOD) - 9, GOOD[9:])
    ),
    "invalid": Sent(post_request(b"{"), 400),
    "without a key": Sent(post_request(GOOD).replace(AUTH, b""), 401),
    "long": Sent(post_request(LONG), 400),
    "long without a key": Sent(post_request(LONG).replace(AUTH, b""), 401),
    "long to an unknown path": Sent(with_headers(MODELS, b"Content-Length: 150000") + LONG),
    "expect": Sent(post_request(GOOD, b"Expect: 100-continue")),
    "long, expect": Sent(post_request(LONG, b"Expect: 100-continue"), 400),
    "upgrade": Sent(with_headers(MODELS, UPGRADE)),
    "upgrade with a body": Sent(post_request(GOOD, UPGRADE)),
    "upgrade, expect": Sent(post_request(GOOD, UPGRADE, b"Expect: 100-continue")),
    "delayed": Sent(with_headers(MODELS, b"X-Mockhub: delay=1s")),
    "delayed after": Sent(post_request(prompt(b"[[delay=1s@after]]"))),
    "slow": Sent(post_request(prompt(b"[[duration=5s]]"))),
    "slow without a key": Sent(
        with_headers(post_request(LONG), b"X-Mockhub: delay=1s").replace(AUTH, b""), 401
    ),
    "close": Sent(with_headers(MODELS, b"Connection: close"), last=True),
    "close after a post": Sent(post_request(GOOD, b"Connection: close"), last=True),
    "http/1.0": Sent(MODELS.replace(b"1.1", b"1.0"), last=True),
    "http/1.0, upgrade": Sent(with_headers(MODELS.replace(b"1.1", b"1.0"), UPGRADE), last=True),
    "expect without a key": Sent(
        post_request(LONG, b"Expect: 100-continue").replace(AUTH, b""), 401, last=True
    ),
    "garbage": Sent(b"\x00\x01\r\n\r\n", 400, last=True, valid=False),
    "bad chunk": Sent(CHUNKED + b"5\r\nabcde\r\nzz\r\n", 400, last=True, valid=False),
    "tunnel": Sent(b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 400, last=True, valid=False),
    "two content lengths": Sent(
        post_request(GOOD, b"Content-Length: 5"), 400, last=True, valid=False
    ),
    "hang": Sent(with_headers(MODELS, b"X-Mockhub: hang"), last=True, hangs=True, wait=FOREVER),
    "hang after": Sent(
        post_request(prompt(b"[[hang@after]]")), last=True, hangs=True, wait=FOREVER
    ),
    "too many headers": Sent(with_headers(MODELS, *101 * [b"a: b"]), 431, last=True, valid=False),
}
INCOMPLETE = {
    "incomplete body": Sent(
        post_request(b"", length=9), last=True, hangs=True, wait=LIMITS.request_timeout
    ),
    "incomplete headers": Sent(MODELS[:-2], last=True, hangs=True, wait=LIMITS.header_timeout),
}
names = st.builds(
    operator.add,
    st.lists(st.sampled_from(sorted(REQUESTS)), max_size=24),
    st.sampled_from([[], [], *([name] for name in INCOMPLETE)]),
)
sizes = st.sampled_from([1, 2, 7, len(MODELS), 200, 1000, 70_000, 1_000_000])
steps = st.one_of(
    st.tuples(st.just("deliver"), sizes),
    st.tuples(st.just("read"), sizes),
    st.tuples(st.just("iterate"), st.integers(1, 3)),
    st.tuples(st.just("advance"), st.just(2000)),
)


class InMemoryServer:
    """The server's side of a connection, with a clock that does not move."""

    def __init__(self) -> None:
        spec = read_spec(resource_path("openapi.yaml"))
        scenario = load_scenario(resource_path("fixtures/scenarios/endless.yaml"))
        self.clock = ManualClock(PUBLISHED, mode="hold")
        self.hub = build_hub(scenario, "default", spec, clock=self.clock)
        app = create_app(spec, self.hub, url="http://127.0.0.1", limits=LIMITS)
        self.context = ServerContext(app, spec.errors, LIMITS)

    def reset(self) -> None:
        """Start without connections, at time 0."""
        self.state, self.context.now = ServerState(), 0.0

    def connect(self) -> tuple[FakeTransport, HttpProtocol]:
        protocol = HttpProtocol(
            config=None, server_state=self.state, app_state={}, context=self.context
        )
        transport = FakeTransport()
        transport.open(protocol)
        return transport, protocol


@pytest.fixture(scope="module")
def server() -> Iterator[InMemoryServer]:
    server = InMemoryServer()
    yield server
    assert server.hub.audit() == []


async def iterate(times: int = ITERATIONS) -> None:
    for _ in range(times):
        await asyncio.sleep(0)


async def play(
    server: InMemoryServer, transport: FakeTransport, script: list[tuple[str, int]]
) -> None:
    """Follow the script, and then continue until nothing changes."""
    for step, size in script:
        if step == "deliver":
            transport.deliver(size)
        elif step == "read":
            transport.read(size)
        elif step == "advance":
            server.clock.advance(size)
        else:
            await iterate(size)
    progress: list[object] = []
    while len(progress) < IDLE_ROUNDS or len(set(progress[-IDLE_ROUNDS:])) > 1:
        transport.deliver(100_000)
        await iterate()
        server.clock.advance(10_000)
        await iterate()
        transport.read(100_000)
        await iterate()
        progress.append((len(transport.inbound), len(transport.received)))


def parse_statuses(received: bytes, sent: list[Sent]) -> list[int]:
    """Return the statuses of the responses, which have to be complete."""
    statuses: list[int] = []
    while received:
        head, end, received = received.partition(b"\r\n\r\n")
        assert end, f"incomplete head: {head!r}"
        status = int(head.split()[1])
        assert len(statuses) < len(sent), f"one response too many: {head!r}"
        if status == 100:
            assert b"Expect: " in sent[len(statuses)].raw
            continue
        if not sent[len(statuses)].raw.startswith(b"HEAD"):
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
            assert length <= len(received), f"incomplete response: {head!r}"
            received = received[length:]
        statuses.append(status)
    return statuses


async def converse(
    server: InMemoryServer, names: list[str], script: list[tuple[str, int]], *, others: bool
) -> None:
    """Send requests, alone or beside another connection, and check all that comes back."""
    sent = [(REQUESTS | INCOMPLETE)[name] for name in names]
    server.reset()
    other_transports = [server.connect()[0] for _ in range(others)]
    transport, protocol = server.connect()
    transport.inbound += b"".join(request.raw for request in sent)
    await play(server, transport, script)
    count = next((n for n, request in enumerate(sent, 1) if request.last), len(sent))
    sent, ignored = sent[:count], sent[count:]
    statuses = parse_statuses(bytes(transport.received), sent)
    expected = [request.status for request in sent]
    if sent and (sent[-1].hangs or (not sent[-1].valid and len(statuses) < len(sent))):
        expected.pop()
    assert statuses == expected, (names, script)
    closes = any(request.last and not request.hangs for request in sent)
    assert transport.write_closed == closes, (names, script)
    if not transport.write_closed and sent:
        assert protocol.deadline == sent[-1].wait, (names, script)
        if protocol.deadline < FOREVER:
            server.context.expire_timeouts(protocol.deadline + 1, [protocol])
            assert transport.write_closed, (names, script)
            transport.read(100_000)
    ignored_bytes = sum(len(request.raw) for request in ignored)
    reads = ignored_bytes < len(LONG) and len(ignored) <= MAX_PIPELINED
    if transport.write_closed or reads:
        transport.disconnect()
    else:  # much input behind a hanging request is not read; the event loop sees the hang-up
        transport.abort()
    for other in other_transports:
        other.disconnect()
    await iterate()
    open_connections = server.context.write_batch.open_connections
    assert (server.state.connections, server.state.tasks, open_connections) == (set(), set(), 0)


@settings(max_examples=max(100, EXAMPLES // 20))
@given(names, st.lists(steps, max_size=40), st.booleans())
@example(["long", "incomplete headers"], [("deliver", 70_000)], False)
@example(["get", "garbage"], 2 * [("deliver", len(MODELS))], False)
@example(["hang", "get"], [], False)
@example(["hang", *17 * ["get"]], [], False)
@example(["close"], [], True)
@example(["get", "expect"], [("deliver", len(MODELS)), ("deliver", 1000)], True)
@example([*2000 * ["get"], "incomplete body"], [("deliver", 1_000_000)], False)
def test_every_request_is_answered_once_and_in_order(
    server: InMemoryServer, names: list[str], script: list[tuple[str, int]], others: bool
) -> None:
    """Complete requests are answered, in order, up to one after which the connection closes."""
    warnings: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: warnings.append(handler.format(record))  # type: ignore[method-assign]
    logging.getLogger().addHandler(handler)
    try:
        asyncio.run(converse(server, names, script, others=others))
    finally:
        logging.getLogger().removeHandler(handler)
    assert warnings == []

"""One connection, any row of requests, cut into any pieces, read at any pace.

Nothing here takes time: a wait that nothing ends shows as a conversation that stands still.
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
from mockhub.domain.hub import HubBackend
from mockhub.domain.hub_registry import HubRegistry
from mockhub.scenarios.builder import build_hub
from mockhub.scenarios.loader import load_scenario
from mockhub.server.protocol import HttpProtocol
from mockhub.server.timeouts import ServerContext
from mockhub.web.api import PublicApi
from mockhub.web.app import App
from mockhub.web.limits import Limits
from tests.support.fake_transport import FakeTransport
from tests.support.live_server import PUBLISHED, read_spec
from tests.support.raw_http import AUTH, EXAMPLES, MODELS, post_request

LIMITS = Limits()
EVER = float("inf")
LONG = b"x" * 150_000  # more than waits for the app
GOOD = b'{"model": "gpt-image-2", "prompt": "A lighthouse", "size": "1024x1024"}'
CHUNKED = post_request(b"", b"Transfer-Encoding: chunked").replace(b"Content-Length: 0\r\n", b"")
OFFER = b"Connection: Upgrade\r\nUpgrade: h2c"
IDLE = 3  # rounds without a change, until nothing more is expected
TURNS = 20  # of the loop, within which whatever can happen has


class Asked(NamedTuple):
    """What a client sends, and what it has to hear.

    Attributes:
        status: of the answer.
        last: whether nothing that follows is answered.
        whole: whether it is a request at all; to one that is not there may be no answer.
        hangs: whether there never is an answer, and the connection stays open.
        wait: seconds that it stays open where nothing more comes.
    """

    raw: bytes
    status: int = 200
    last: bool = False
    whole: bool = True
    hangs: bool = False
    wait: float = LIMITS.keep_alive_timeout


def prompt(word: bytes) -> bytes:
    return GOOD.replace(b"A lighthouse", word)


def with_headers(raw: bytes, *headers: bytes) -> bytes:
    return raw.replace(b"\r\n", b"\r\n" + b"".join(header + b"\r\n" for header in headers), 1)


SENT = {
    "get": Asked(MODELS),
    "head": Asked(MODELS.replace(b"GET", b"HEAD")),
    "options": Asked(MODELS.replace(b"GET", b"OPTIONS"), 204),
    "nothing there": Asked(MODELS.replace(b"models", b"none"), 404),
    "post": Asked(post_request(GOOD)),
    "chunked": Asked(
        CHUNKED + b"9\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n" % (GOOD[:9], len(GOOD) - 9, GOOD[9:])
    ),
    "bad": Asked(post_request(b"{"), 400),
    "no key": Asked(post_request(GOOD).replace(AUTH, b""), 401),
    "long": Asked(post_request(LONG), 400),
    "long without a key": Asked(post_request(LONG).replace(AUTH, b""), 401),
    "long to nowhere": Asked(with_headers(MODELS, b"Content-Length: 150000") + LONG),
    "asks first": Asked(post_request(GOOD, b"Expect: 100-continue")),
    "asks first, and is long": Asked(post_request(LONG, b"Expect: 100-continue"), 400),
    "offers": Asked(with_headers(MODELS, OFFER)),
    "offers with a body": Asked(post_request(GOOD, OFFER)),
    "offers and asks first": Asked(post_request(GOOD, OFFER, b"Expect: 100-continue")),
    "delayed": Asked(with_headers(MODELS, b"X-Mockhub: delay=1s")),
    "delayed after": Asked(post_request(prompt(b"[[delay=1s@after]]"))),
    "slow": Asked(post_request(prompt(b"[[duration=5s]]"))),
    "slow without a key": Asked(
        with_headers(post_request(LONG), b"X-Mockhub: delay=1s").replace(AUTH, b""), 401
    ),
    "closes": Asked(with_headers(MODELS, b"Connection: close"), last=True),
    "closes a post": Asked(post_request(GOOD, b"Connection: close"), last=True),
    "old": Asked(MODELS.replace(b"1.1", b"1.0"), last=True),
    "old, and offers": Asked(with_headers(MODELS.replace(b"1.1", b"1.0"), OFFER), last=True),
    "asks first without a key": Asked(
        post_request(LONG, b"Expect: 100-continue").replace(AUTH, b""), 401, last=True
    ),
    "garbage": Asked(b"\x00\x01\r\n\r\n", 400, last=True, whole=False),
    "bad chunk": Asked(CHUNKED + b"5\r\nabcde\r\nzz\r\n", 400, last=True, whole=False),
    "tunnel": Asked(b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 400, last=True, whole=False),
    "two lengths": Asked(post_request(GOOD, b"Content-Length: 5"), 400, last=True, whole=False),
    "hangs": Asked(with_headers(MODELS, b"X-Mockhub: hang"), last=True, hangs=True, wait=EVER),
    "hangs after": Asked(post_request(prompt(b"[[hang@after]]")), last=True, hangs=True, wait=EVER),
    "head flood": Asked(with_headers(MODELS, *101 * [b"a: b"]), 431, last=True, whole=False),
}
ENDS = {
    "half a body": Asked(
        post_request(b"", length=9), last=True, hangs=True, wait=LIMITS.request_timeout
    ),
    "half a head": Asked(MODELS[:-2], last=True, hangs=True, wait=LIMITS.header_timeout),
}
names = st.builds(
    operator.add,
    st.lists(st.sampled_from(sorted(SENT)), max_size=24),
    st.sampled_from([[], [], *([name] for name in ENDS)]),
)
sizes = st.sampled_from([1, 2, 7, len(MODELS), 200, 1000, 70_000, 1_000_000])
steps = st.one_of(
    st.tuples(st.just("deliver"), sizes),
    st.tuples(st.just("read"), sizes),
    st.tuples(st.just("turn"), st.integers(1, 3)),
    st.tuples(st.just("advance"), st.just(2000)),
)


class Site:
    """What a connection is served by."""

    def __init__(self) -> None:
        law = read_spec(resource_path("openapi.yaml"))
        scenario = load_scenario(resource_path("fixtures/scenarios/endless.yaml"))
        self.hub: HubBackend = build_hub(
            scenario, "default", law, clock=ManualClock(PUBLISHED, mode="hold")
        )
        app = App(PublicApi(law, HubRegistry(self.hub), "http://127.0.0.1", limits=LIMITS))
        self.watch = ServerContext(app, law.errors, LIMITS)  # type: ignore[arg-type]

    def clear(self) -> None:
        """Begin without connections, at no time."""
        self.state, self.watch.now = ServerState(), 0.0

    def connect(self) -> tuple[FakeTransport, HttpProtocol]:
        line = FakeTransport()
        connection = HttpProtocol(
            config=None,  # type: ignore[arg-type]
            server_state=self.state,
            app_state={},
            context=self.watch,
        )
        line.open(connection)
        return line, connection


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    made = Site()
    yield made
    assert made.hub.audit() == []


async def turn(times: int) -> None:
    for _ in range(times):
        await asyncio.sleep(0)


async def play(site: Site, line: FakeTransport, script: list[tuple[str, int]]) -> None:
    """Do what the script says, and then all that is left to do."""
    for step, size in script:
        if step == "deliver":
            line.deliver(size)
        elif step == "read":
            line.read(size)
        elif step == "advance":
            site.hub.clock.advance(size)  # type: ignore[attr-defined]
        else:
            await turn(size)
    seen: list[object] = []
    while len(seen) < IDLE or len(set(seen[-IDLE:])) > 1:
        line.deliver(100_000)
        await turn(TURNS)
        site.hub.clock.advance(10_000)  # type: ignore[attr-defined]
        await turn(TURNS)
        line.read(100_000)
        await turn(TURNS)
        seen.append((len(line.coming), len(line.got)))


def statuses(got: bytes, asked: list[Asked]) -> list[int]:
    """The statuses of the answers to *asked*, which are whole, and nothing else came."""
    found: list[int] = []
    while got:
        head, end, got = got.partition(b"\r\n\r\n")
        assert end, f"half a head: {head!r}"
        status = int(head.split()[1])
        assert len(found) < len(asked), f"an answer too many: {head!r}"
        if status == 100:
            assert b"Expect: " in asked[len(found)].raw
            continue
        if not asked[len(found)].raw.startswith(b"HEAD"):
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
            assert length <= len(got), f"half an answer: {head!r}"
            got = got[length:]
        found.append(status)
    return found


async def converse(
    site: Site, names: list[str], script: list[tuple[str, int]], *, crowd: bool
) -> None:
    """Hold a conversation, alone or in a crowd, and hold what was said to what had to be."""
    asked = [(SENT | ENDS)[name] for name in names]
    site.clear()
    others = [site.connect()[0] for _ in range(crowd)]
    line, connection = site.connect()
    line.coming += b"".join(one.raw for one in asked)
    await play(site, line, script)
    heard = next((n for n, one in enumerate(asked, 1) if one.last), len(asked))
    asked, unheard = asked[:heard], asked[heard:]
    said, expected = statuses(bytes(line.got), asked), [one.status for one in asked]
    if asked and (asked[-1].hangs or (not asked[-1].whole and len(said) < len(asked))):
        expected.pop()
    assert expected == said, (names, script)
    assert line.over == any(one.last and not one.hangs for one in asked), (names, script)
    if not line.over and asked:
        assert asked[-1].wait == connection.deadline, (names, script)
        if connection.deadline < EVER:
            site.watch.expire_timeouts(connection.deadline + 1, [connection])
            assert line.over, (names, script)
            line.read(100_000)
    if line.over or sum(len(one.raw) for one in unheard) < len(LONG):
        line.leave()
    else:  # more waits behind a hanging request than is read, and nobody hears the client leave
        line.abort()
    for other in others:
        other.leave()
    await turn(TURNS)
    assert (set(), set(), 0) == (
        site.state.connections,
        site.state.tasks,
        site.watch.write_batch.open_connections,
    )


@settings(max_examples=max(100, EXAMPLES // 20))
@given(names, st.lists(steps, max_size=40), st.booleans())
@example(["long", "half a head"], [("deliver", 70_000)], False)
@example(["get", "garbage"], 2 * [("deliver", len(MODELS))], False)
@example(["hangs", "get"], [], False)
@example(["closes"], [], True)
@example(["get", "asks first"], [("deliver", len(MODELS)), ("deliver", 1000)], True)
@example([*2000 * ["get"], "half a body"], [("deliver", 1_000_000)], False)
def test_every_request_is_answered_once_and_in_order(
    site: Site, names: list[str], script: list[tuple[str, int]], crowd: bool
) -> None:
    """Whole requests get their answers, in their order, until one of them is the last."""
    wrong: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: wrong.append(handler.format(record))  # type: ignore[method-assign]
    logging.getLogger().addHandler(handler)
    try:
        asyncio.run(converse(site, names, script, crowd=crowd))
    finally:
        logging.getLogger().removeHandler(handler)
    assert wrong == []

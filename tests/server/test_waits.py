"""A request that waits ends with its client, and leaves room for the control plane."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx
import pytest

from mockhub.domain.clock import SystemClock
from mockhub.faults import types
from mockhub.server import server as server_module
from mockhub.web import clock_waiter
from mockhub.web.limits import Limits
from tests.server.test_stock_uvicorn import StockServer
from tests.support.live_server import BODY, LiveHub, serve_hub
from tests.support.raw_http import MODELS, connect, is_closed, post_request, read_responses

LARGE_BODY = 100_000  # bytes, more than the server reads ahead of the application
PATIENCE = 30  # seconds


def with_fault(raw: bytes, fault: str) -> bytes:
    return raw.replace(b"\r\n", b"\r\nX-Mockhub: %s\r\n" % fault.encode(), 1)


@pytest.fixture(params=["own", "stock"])
def running(request: pytest.FixtureRequest) -> Iterator[LiveHub]:
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "stock":
            patch.setattr(server_module, "create_server", StockServer)
        with serve_hub(scenario="endless", clock=SystemClock()) as started:
            yield started


def wait_until(condition: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < give_up_at
        time.sleep(0.01)


def count_waits(running: LiveHub) -> int:
    return running.server.call(lambda: len(running.backend.clock_listeners))


@pytest.mark.parametrize("fault", ["delay=1h", "delay=1h@after", "hang", "drip=1h"])
@pytest.mark.parametrize(
    "raw", [MODELS, post_request(LARGE_BODY * b" ")], ids=["without a body", "with a large body"]
)
def test_wait_ends_when_its_client_disconnects(running: LiveHub, fault: str, raw: bytes) -> None:
    """The server notices that a client has left, also while it does not read the body."""
    for _ in range(3):
        with connect(running) as client:
            client.sendall(with_fault(raw, fault))
            wait_until(lambda: count_waits(running) == 1)
        wait_until(lambda: count_waits(running) == 0)
    exchanges = running.server.call(lambda: [*running.backend.journal])
    assert [exchange.client_disconnected for exchange in exchanges] == 3 * [True]


def test_hang_ends_when_its_client_disconnects_after_a_long_body(running: LiveHub) -> None:
    """A body that fills the buffers of the system would hide the disconnect, so hang reads it."""
    with connect(running) as client:
        client.sendall(with_fault(post_request(50 * LARGE_BODY * b" "), "hang"))
        wait_until(lambda: count_waits(running) == 1)
    wait_until(lambda: count_waits(running) == 0)


def test_wait_for_a_generation_ends_when_its_client_disconnects() -> None:
    """The server also notices it when so many requests are pipelined that it does not read."""
    body = b'{"model": "gpt-image-2", "prompt": "[[duration=600s]]", "size": "1024x1024"}'
    with serve_hub(scenario="endless", clock=SystemClock()) as running:
        with connect(running) as client:
            client.sendall(post_request(body) + 100 * MODELS)
            wait_until(lambda: count_waits(running) == 1)
        wait_until(lambda: count_waits(running) == 0)


def test_body_is_read_after_a_delay(running: LiveHub) -> None:
    """A body that arrived while the request waited is complete."""
    prompt = (30_000 * "a").encode()
    body = b'{"model": "gpt-image-2", "size": "1024x1024", "prompt": "%s"}' % prompt
    with connect(running) as client:
        client.sendall(with_fault(post_request(LARGE_BODY * b" " + body), "delay=0.2s"))
        assert read_responses(client)[0].status == 200


def test_wait_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that waits for too long loses its connection, whatever it waits for."""
    monkeypatch.setattr(clock_waiter, "MAX_WAIT", 200)
    with serve_hub(clock=SystemClock()) as running:
        for fault in ("hang", "delay=1h", "delay=150ms, delay=150ms", "drip=1h"):
            with connect(running) as client:
                client.sendall(with_fault(MODELS, fault))
                while client.recv(65536):
                    pass


def test_longest_wait_is_the_maximum_of_a_delay() -> None:
    for name in ("delay", "drip"):
        argument = types.FAULTS[name].argument
        assert argument is not None
        assert argument.maximum == types.MAX_WAIT


def test_control_plane_keeps_a_share_of_the_connections() -> None:
    """Waiting requests cannot use the last connections, which are for the control plane."""
    limits = Limits(max_connections=16)
    with (
        serve_hub(clock=SystemClock(), limits=limits, control=True) as running,
        ExitStack() as stack,
    ):
        for _ in range(14):
            client = stack.enter_context(connect(running))
            client.sendall(with_fault(MODELS, "hang"))
        wait_until(lambda: count_waits(running) == 14)
        with connect(running) as refused:
            refused.sendall(MODELS)
            (response,) = read_responses(refused)
            assert response.status == 503
            expected = "expected at most 16, 2 of them for /_mockhub"
            assert expected in response.json["error"]["message"]
            assert is_closed(refused)
        for _ in range(3):
            answered = httpx.get(f"{running.url}/_mockhub/hubs")
            assert (answered.status_code, answered.headers["connection"]) == (200, "close")


def test_crowd_of_waits_does_not_slow_other_requests() -> None:
    """A generation that starts or ends wakes its own request only."""
    with serve_hub(scenario="endless", clock=SystemClock()) as running, ExitStack() as stack:
        for _ in range(20):
            client = stack.enter_context(connect(running))
            client.sendall(with_fault(MODELS, "delay=1h"))
        wait_until(lambda: count_waits(running) == 20)
        woken: list[str] = []
        wakers = running.server.call(lambda: tuple(running.backend.clock_listeners))

        def replace_listeners() -> None:
            running.backend.clock_listeners.difference_update(wakers)
            running.backend.clock_listeners.add(lambda: woken.append("woken"))

        running.server.call(replace_listeners)
        assert running.generate({"async": True}).status_code == 202
        assert running.generate(BODY).status_code == 200
        assert woken == []


def test_awaited_generation_is_not_evicted() -> None:
    """A crowd of synchronous generations that one hub cannot keep gets its responses (GEN-1)."""
    with serve_hub(scenario="endless", clock=SystemClock()) as running:
        running.backend.set_max_generations(2)

        def generate(number: int) -> int:
            prompt = "[[duration=50ms]]" if number % 2 else "[[delay=50ms@after]]"
            return running.generate({"prompt": prompt}).status_code

        with ThreadPoolExecutor(16) as pool:
            assert {*pool.map(generate, range(160))} == {200}
        exchanges = running.server.call(lambda: [*running.backend.journal])
        assert {exchange.credits for exchange in exchanges} == {-8}
        assert len(running.server.call(lambda: running.backend.generations)) == 2
        assert not running.backend.retained


def test_pipelined_requests_that_wait_are_all_answered() -> None:
    """The second request starts outside of the task of the first (Python 3.12 and later)."""
    body = b'{"model": "gpt-image-2", "prompt": "[[duration=300ms]]", "size": "1024x1024"}'
    with serve_hub(scenario="endless", clock=SystemClock()) as running, connect(running) as client:
        client.sendall(3 * post_request(body))
        assert [one.status for one in read_responses(client, 3)] == [200, 200, 200]

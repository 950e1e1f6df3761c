"""Faults on the way: the real service can be made to misbehave."""

from __future__ import annotations

import socket
from threading import Event

import httpx
import pytest

from mockhub.exceptions import MockhubError
from mockhub.faults.grammar import parse_directives, with_conditions
from tests.proxy.support import LiveProxy, raw_server, read_head, start_proxy
from tests.support.live_server import LiveHub
from tests.support.raw_http import MODELS, TIMEOUT, connect


def test_faults_before_do_not_reach_the_upstream(upstream: LiveHub, proxy: LiveProxy) -> None:
    response = proxy.generate({}, headers={"X-Mockhub": "status=503"})
    assert response.status_code == 503
    assert upstream.credits() == 120
    assert proxy.exchanges()[-1].faults == ("status=503@before",)


def test_faults_after_lose_a_paid_response(upstream: LiveHub, proxy: LiveProxy) -> None:
    with pytest.raises(httpx.TransportError):
        proxy.generate({}, headers={"X-Mockhub": "reset@after"})
    assert upstream.credits() == 112
    (exchange,) = proxy.exchanges()
    assert (exchange.status, exchange.credits, exchange.faults) == (0, -8, ("reset@after",))


def test_faults_alter_responses(proxy: LiveProxy) -> None:
    """`corrupt`, `truncate` and `drip` act on what the upstream sent."""
    assert b"\0" in proxy.generate({}, headers={"X-Mockhub": "corrupt"}).content
    with pytest.raises(httpx.TransportError):
        proxy.get("models", headers={"X-Mockhub": "truncate"})
    assert proxy.get("credits", headers={"X-Mockhub": "drip=20ms"}).json()["credits"] == 112


def test_armed_faults_can_depend_on_the_prompt(upstream: LiveHub, proxy: LiveProxy) -> None:
    directives = [with_conditions(one, prompt="fox") for one in parse_directives("status=504 x1")]
    proxy.server.call(lambda: proxy.api.hub.arm(directives))
    assert proxy.generate({"prompt": "A hare"}).status_code == 200
    assert proxy.generate({"prompt": "A fox"}).status_code == 504
    assert proxy.generate({"prompt": "A fox"}).status_code == 200
    assert upstream.credits() == 104


def test_outcomes_of_the_provider_are_rejected(proxy: LiveProxy) -> None:
    """They cannot be had from the real service; in a prompt they are text for it."""
    response = proxy.generate({}, headers={"X-Mockhub": "fail"})
    assert response.status_code == 400
    assert "expected one of corrupt, delay" in response.json()["error"]["message"]
    with pytest.raises(MockhubError, match="the service decides"):
        proxy.server.call(lambda: proxy.api.hub.arm(parse_directives("deliver=1")))
    assert proxy.generate({"prompt": "[[fail]]"}).status_code == 500
    assert proxy.exchanges()[-1].faults == ()


def test_client_that_leaves_ends_a_safe_request() -> None:
    """The upstream's connection is closed, so that no connection waits for the timeout."""
    arrived, closed = Event(), Event()

    def hang(connection: socket.socket) -> None:
        read_head(connection)
        arrived.set()
        if not connection.recv(1):
            closed.set()

    with raw_server(hang) as target, start_proxy(target) as proxy:
        with connect(proxy) as client:
            client.sendall(MODELS)
            assert arrived.wait(TIMEOUT)
        assert closed.wait(15)  # less than the timeouts of the proxy
        (exchange,) = proxy.exchanges()
        assert exchange.client_disconnected

"""A server in a thread starts, or says why it did not."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import httpx
import pytest

from mockhub._resources import resource_path
from mockhub.exceptions import MockhubError
from mockhub.scenarios.loader import load_scenario
from mockhub.server.server import Server, ServerThread, bind
from mockhub.web.app import App, create_app
from mockhub.web.asgi import Receive, Scope, Send
from tests.support.live_server import read_spec


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with bind("127.0.0.1", 0) as listener:
        yield listener


@pytest.fixture
def app() -> App:
    spec = read_spec(resource_path("openapi.yaml"))
    scenario = load_scenario(resource_path("fixtures/scenarios/default.yaml"))
    return create_app(spec, scenario, url="http://127.0.0.1")


def test_started_server_responds(app: App, listener: socket.socket) -> None:
    """The constructor returns when connections are accepted."""
    server = ServerThread(app, listener)
    try:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/api/v1/models"
        assert httpx.get(url).status_code == 200
        assert server.call(lambda: 1 + 1) == 2
    finally:
        server.stop()


def test_failed_lifespan_is_raised(
    app: App, listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error of an application that does not start reaches the caller."""

    async def fail(app: App, scope: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError("no database")

    monkeypatch.setattr(App, "__call__", fail)
    with pytest.raises(MockhubError, match="the application failed to start; see the log"):
        ServerThread(app, listener)


def test_error_before_the_event_loop_runs_is_raised(
    app: App, listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error in any other place of the start reaches the caller as it is."""

    def fail(config: object) -> None:
        raise RuntimeError("no event loop")

    monkeypatch.setattr("uvicorn.Config.get_loop_factory", fail)
    with pytest.raises(RuntimeError, match="no event loop"):
        ServerThread(app, listener)


def test_closed_listener_is_an_error(app: App, listener: socket.socket) -> None:
    """A socket that cannot listen is an error of the start."""
    listener.close()
    with pytest.raises((OSError, ValueError)):
        ServerThread(app, listener)


def test_start_is_bounded(
    app: App, listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A start that takes too long is an error, and the server ends."""

    async def startup(server: Server, sockets: object = None) -> None:
        while not server.should_exit:
            await asyncio.sleep(0.001)

    monkeypatch.setattr(Server, "startup", startup)
    with pytest.raises(MockhubError, match="the server did not start within 0.05 s"):
        ServerThread(app, listener, start_timeout=0.05)

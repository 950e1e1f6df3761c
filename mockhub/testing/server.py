"""A server for tests: one address, and a hub of its own for each test."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self, Unpack

from mockhub.server.server import ServerThread, bind
from mockhub.testing.app_host import AppHost, T
from mockhub.testing.config import HubConfig, HubOptions
from mockhub.testing.hub import Hub


class HubServer(AppHost):
    """A server on loopback in a thread of its own; a context manager.

    Args:
        port: where to listen; 0 picks a free one.

    Attributes:
        url: its address. The hubs have addresses below it.
    """

    def __init__(self, *, port: int = 0) -> None:
        listener = bind("127.0.0.1", port)
        super().__init__(f"http://127.0.0.1:{listener.getsockname()[1]}")
        self._server_thread: ServerThread | None = ServerThread(self.app, listener)

    def run_on_server(self, function: Callable[[], T]) -> T:
        """Run *function* on the server's own loop, so that it never meets a request."""
        if self._server_thread is None:  # nothing runs any more, and hubs can still be asked
            return function()
        value: Any = self._server_thread.call(function)
        result: T = value
        return result

    def create_hub(self, *, name: str = "hub", **options: Unpack[HubOptions]) -> Hub:
        """A new hub; drop it by `close`, or use it as a context manager.

        Args:
            name: what it is called like in its address.
            options: as the marker takes them.

        Raises:
            MockhubError: if an option cannot be used.
        """
        return Hub.create(self, HubConfig.from_options(options, source="create_hub"), name)

    def stop(self) -> None:
        """Go down, and wait for it."""
        if self._server_thread is not None:
            self._server_thread.stop()
            self._server_thread = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

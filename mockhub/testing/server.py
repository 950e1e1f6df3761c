"""The test server: one address in a thread, and a separate hub for each test."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self, Unpack

from mockhub.domain.hub_registry import DEFAULT
from mockhub.server.server import ServerThread, bind
from mockhub.testing.app_host import AppHost, T
from mockhub.testing.config import HubConfig, HubOptions
from mockhub.testing.hub import Hub
from mockhub.web.app import CONTROL_PREFIX


class HubServer(AppHost):
    """A server on loopback in a thread; a context manager that stops it.

    Args:
        port: The port to listen on; 0 picks a free one.

    Attributes:
        url: The server's address. The addresses of its hubs begin with it.

    Raises:
        MockhubError: if the port is in use.
    """

    def __init__(self, *, port: int = 0) -> None:
        listener = bind("127.0.0.1", port)
        super().__init__(f"http://127.0.0.1:{listener.getsockname()[1]}")
        self._server_thread: ServerThread | None = ServerThread(self.app, listener)

    def run_on_server(self, function: Callable[[], T]) -> T:
        """Run *function* on the server's event loop, between two requests.

        After `stop` it runs in the caller's thread, so that the hubs can still be inspected.
        """
        if self._server_thread is None:
            return function()
        return self._server_thread.call(function)

    def create_hub(self, *, name: str = "hub", **options: Unpack[HubOptions]) -> Hub:
        """Create a hub; delete it with `Hub.close`, or use it as a context manager.

        Args:
            name: The name in its URL; a number is appended if it is taken.
            options: The options of the marker ``mockhub``.

        Raises:
            MockhubError: if an option is not valid.
        """
        return Hub.create(self, HubConfig.from_options(options, source="create_hub"), name)

    def serve_page(self) -> str:
        """Serve the control plane, with the page, from now on; return the page's address."""
        from mockhub.control.app import mount_control_plane

        if self.app.control_plane is None:
            self.run_on_server(lambda: mount_control_plane(self.app, token=None))
        names = [hub.name for hub in self.hub_registry if hub.name != DEFAULT]
        return f"{self.url}{CONTROL_PREFIX}/?hub={names[-1] if names else DEFAULT}"

    def stop(self) -> None:
        """Stop the server and wait for its thread."""
        if self._server_thread is not None:
            self._server_thread.stop()
            self._server_thread = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

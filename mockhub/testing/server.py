"""A server for tests: one address, and a hub of its own for each test."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self, Unpack

from mockhub.testing.hub import Hub
from mockhub.testing.recipes import Options, Recipe
from mockhub.testing.site import Site, T
from mockhub.web.server import Background, listen


class Server(Site):
    """A server on loopback in a thread of its own; a context manager.

    Args:
        port: where to listen; 0 picks a free one.

    Attributes:
        url: its address. The hubs have addresses below it.
    """

    def __init__(self, *, port: int = 0) -> None:
        listener = listen("127.0.0.1", port)
        super().__init__(f"http://127.0.0.1:{listener.getsockname()[1]}")
        self._background: Background | None = Background(self.app, listener)

    def call(self, function: Callable[[], T]) -> T:
        """Run *function* on the server's own loop, so that it never meets a request."""
        if self._background is None:  # nothing runs any more, and hubs can still be asked
            return function()
        answer: Any = self._background.call(function)
        result: T = answer
        return result

    def hub(self, *, name: str = "hub", **options: Unpack[Options]) -> Hub:
        """A new hub; drop it by `close`, or use it as a context manager.

        Args:
            name: what it is called like in its address.
            options: as the marker takes them.

        Raises:
            MockhubError: if an option cannot be used.
        """
        return Hub.make(self, Recipe.read(options, where="hub"), name)

    def stop(self) -> None:
        """Go down, and wait for it."""
        if self._background is not None:
            self._background.stop()
            self._background = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

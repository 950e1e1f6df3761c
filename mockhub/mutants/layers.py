"""What stands between the server and the app."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from mockhub.web.app import App
from mockhub.web.asgi import Receive, Scope, Send
from mockhub.web.pipeline import Pipeline
from mockhub.web.transport import EXCHANGE

Asgi = Callable[[Scope, Receive, Send], Coroutine[Any, Any, None]]
Layer = Callable[[Asgi, Scope, Receive, Send], Coroutine[Any, Any, None]]


class LayeredApp(App):
    """The app behind the layers that were put before it."""

    def __init__(self, pipeline: Pipeline) -> None:
        super().__init__(pipeline)
        self._outermost: Asgi = super().__call__
        self._layered = False

    def add(self, layer: Layer) -> None:
        """Put a layer before all others."""
        self._outermost = partial(layer, self._outermost)
        self._layered = True

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Coroutine[Any, Any, None]:
        if scope["type"] != "http":
            return super().__call__(scope, receive, send)
        if self._layered:  # the server's way to answer in one write would pass the layers by
            scope = {name: value for name, value in scope.items() if name != EXCHANGE}
        return self._outermost(scope, receive, send)

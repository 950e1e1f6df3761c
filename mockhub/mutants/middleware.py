"""ASGI middleware between the server and the application of a mutant."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from mockhub.web.app import App
from mockhub.web.asgi import CYCLE_SCOPE_KEY, Receive, Scope, Send

AsgiApp = Callable[[Scope, Receive, Send], Coroutine[Any, Any, None]]
Middleware = Callable[[AsgiApp, Scope, Receive, Send], Coroutine[Any, Any, None]]


class MiddlewareApp(App):
    """An application behind middleware; the middleware that was added last runs first."""

    def __init__(self, app: App) -> None:
        super().__init__(app.api)
        self._outermost: AsgiApp = super().__call__
        self._has_middleware = False

    def add(self, middleware: Middleware) -> None:
        self._outermost = partial(middleware, self._outermost)
        self._has_middleware = True

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Coroutine[Any, Any, None]:
        if scope["type"] != "http":
            return super().__call__(scope, receive, send)
        if self._has_middleware:  # responses that the server sends in one write would bypass it
            scope = {name: value for name, value in scope.items() if name != CYCLE_SCOPE_KEY}
        return self._outermost(scope, receive, send)

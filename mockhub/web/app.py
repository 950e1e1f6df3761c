"""The application: Starlette for lifespan and the control plane, plain callables for the rest."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.routing import BaseRoute

from mockhub.web.asgi import Receive, Scope, Send
from mockhub.web.pictures import PREFIX as IMAGES
from mockhub.web.pictures import Pictures
from mockhub.web.pipeline import Pipeline
from mockhub.web.visit import HUB_NAME

CONTROL = "/_mockhub"

_HUBS = "/hubs/"
_ELSEWHERE = (_HUBS, IMAGES, CONTROL)


class App(Starlette):
    """Every path of the server.

    The public API is asked a thousand times for every other path; it is called before Starlette's
    middleware and router, which would do nothing for it.
    """

    def __init__(self, pipeline: Pipeline, routes: Sequence[BaseRoute] = ()) -> None:
        super().__init__(routes=routes, lifespan=self._lifespan)
        self.pipeline = pipeline
        self.pictures = Pictures(pipeline.store)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Coroutine[Any, Any, None]:
        if scope["type"] == "http" and not scope["path"].startswith(_ELSEWHERE):
            return self.pipeline(scope, receive, send)
        return self._elsewhere(scope, receive, send)

    async def _elsewhere(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or (_under(CONTROL, scope["path"]) and self.routes):
            await asyncio.sleep(0)  # Starlette wants to be in a task, which a wait makes of it
            await super().__call__(scope, receive, send)
            return
        if scope["path"].startswith(_HUBS):
            name, slash, rest = scope["path"][len(_HUBS) :].partition("/")
            scope = {**scope, "path": slash + rest, HUB_NAME: name}
        door = self.pictures if scope["path"].startswith(IMAGES) else self.pipeline
        await door(scope, receive, send)

    @asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        yield
        self.pipeline.waiting.close()


def _under(prefix: str, path: str) -> bool:
    return path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in ("", "/")

"""The application: Starlette for lifespan and the control plane, plain callables for the rest."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.routing import BaseRoute

from mockhub.web.api import PublicApi
from mockhub.web.asgi import Receive, Scope, Send
from mockhub.web.context import HUB_NAME_SCOPE_KEY
from mockhub.web.images import IMAGES_PREFIX as IMAGES_PREFIX
from mockhub.web.images import ImageEndpoint

CONTROL_PREFIX = "/_mockhub"

_HUBS_PREFIX = "/hubs/"
_OTHER_PREFIXES = (_HUBS_PREFIX, IMAGES_PREFIX, CONTROL_PREFIX)


class App(Starlette):
    """Every path of the server.

    The public API is asked a thousand times for every other path; it is called before Starlette's
    middleware and router, which would do nothing for it.
    """

    def __init__(self, api: PublicApi, routes: Sequence[BaseRoute] = ()) -> None:
        super().__init__(routes=routes, lifespan=self._lifespan)
        self.api = api
        self.image_endpoint = ImageEndpoint(api.hub_registry)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Coroutine[Any, Any, None]:
        if scope["type"] == "http" and not scope["path"].startswith(_OTHER_PREFIXES):
            return self.api(scope, receive, send)
        return self._dispatch_other(scope, receive, send)

    async def _dispatch_other(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or (_is_under(CONTROL_PREFIX, scope["path"]) and self.routes):
            await asyncio.sleep(0)  # Starlette wants to be in a task, which a wait makes of it
            await super().__call__(scope, receive, send)
            return
        if scope["path"].startswith(_HUBS_PREFIX):
            name, slash, rest = scope["path"][len(_HUBS_PREFIX) :].partition("/")
            scope = {**scope, "path": slash + rest, HUB_NAME_SCOPE_KEY: name}
        handler = self.image_endpoint if scope["path"].startswith(IMAGES_PREFIX) else self.api
        await handler(scope, receive, send)

    @asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        yield
        self.api.clock_waiter.close()


def _is_under(prefix: str, path: str) -> bool:
    return path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in ("", "/")

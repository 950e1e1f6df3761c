"""The ASGI application: the public API, and a mount for the control plane."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from starlette.applications import Starlette

from mockhub.domain.hub import HubBackend
from mockhub.domain.hub_registry import DEFAULT, HubRegistry
from mockhub.scenarios.builder import build_hub
from mockhub.scenarios.loader import Scenario
from mockhub.spec.api_spec import ApiSpec
from mockhub.web.api import Observer, PublicApi
from mockhub.web.asgi import Receive, Scope, Send
from mockhub.web.context import HUB_NAME_SCOPE_KEY, HUBS_PREFIX
from mockhub.web.limits import Limits

CONTROL_PREFIX = "/_mockhub"

_OTHER_PREFIXES = (HUBS_PREFIX, CONTROL_PREFIX)


def create_app(
    spec: ApiSpec,
    hubs: HubRegistry | HubBackend | Scenario,
    *,
    url: str,
    limits: Limits | None = None,
    validate_responses: bool = True,
    observers: Iterable[Observer] = (),
) -> App:
    """Assemble the application of one mock server.

    The control plane is added by `mockhub.control.app.mount_control_plane`.

    Args:
        spec: The API spec.
        hubs: The hubs to serve, or the default hub only, or the scenario to build it from.
        url: The public URL, without a path. URLs in responses begin with it.
        limits: The bounds on requests and connections.
        validate_responses: Whether a response that does not match the spec becomes a 500.
        observers: Called with the context of every finished request of the public API, which
            includes the images.

    Raises:
        MockhubError: if the scenario does not fit the spec.
    """
    if isinstance(hubs, Scenario):
        hubs = build_hub(hubs, DEFAULT, spec)
    hub_registry = hubs if isinstance(hubs, HubRegistry) else HubRegistry(hubs)
    api = PublicApi(
        spec,
        hub_registry,
        url,
        limits=limits,
        validate_responses=validate_responses,
        observers=observers,
    )
    return App(api)


class App(Starlette):
    """The application; `create_app` makes it.

    Starlette serves the lifespan and the control plane. Requests of the public API do not
    pass Starlette's middleware and router, which would only cost time.

    Attributes:
        api: The public API.
    """

    def __init__(self, api: PublicApi) -> None:
        super().__init__(lifespan=self._lifespan)
        self.api = api

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not scope["path"].startswith(_OTHER_PREFIXES):
            await self.api(scope, receive, send)
        else:
            await self._dispatch_other(scope, receive, send)

    async def _dispatch_other(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or (is_under(CONTROL_PREFIX, scope["path"]) and self.routes):
            await super().__call__(scope, receive, send)
            return
        if scope["path"].startswith(HUBS_PREFIX):
            name, slash, rest = scope["path"][len(HUBS_PREFIX) :].partition("/")
            scope = {**scope, "path": slash + rest, HUB_NAME_SCOPE_KEY: name}
        await self.api(scope, receive, send)

    @asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        yield
        self.api.clock_waiter.close()


def is_under(prefix: str, path: str) -> bool:
    return path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in ("", "/")

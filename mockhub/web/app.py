"""The ASGI application: the public API, and a mount for the control plane."""

from __future__ import annotations

from collections.abc import Iterable

from mockhub.domain.hub import HubBackend
from mockhub.domain.hub_registry import DEFAULT, HubRegistry
from mockhub.scenarios.builder import build_hub
from mockhub.scenarios.loader import Scenario
from mockhub.spec.api_spec import ApiSpec
from mockhub.web.api import Observer, PublicApi
from mockhub.web.asgi import AsgiApp, Receive, Scope, Send, headers_of
from mockhub.web.context import HUB_NAME_SCOPE_KEY, HUBS_PREFIX
from mockhub.web.limits import Limits

CONTROL_PREFIX = "/_mockhub"
OPENAPI_PATHS = ("/openapi.yaml", "/openapi.json")

_OTHER_PREFIXES = (HUBS_PREFIX, CONTROL_PREFIX, "/openapi.")


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


class App:
    """The application, a plain ASGI callable; `create_app` makes it.

    Attributes:
        api: The public API.
        handler: What handles the requests of the public API: `api`, or an application around it.
        control_plane: What is under `CONTROL_PREFIX`, and `OPENAPI_PATHS`, if it is served.
    """

    def __init__(self, api: PublicApi) -> None:
        self.api = api
        self.handler: AsgiApp = api
        self.control_plane: AsgiApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._handle_other_protocol(scope, receive, send)
        elif (path := scope["path"]) != "/" and not path.startswith(_OTHER_PREFIXES):
            await self.handler(scope, receive, send)
        elif self.control_plane and _belongs_to_control_plane(scope):
            await self.control_plane(scope, receive, send)
        else:
            await self._dispatch_hub(scope, receive, send)

    async def _dispatch_hub(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"].startswith(HUBS_PREFIX):
            name, slash, rest = scope["path"][len(HUBS_PREFIX) :].partition("/")
            scope = {**scope, "path": slash + rest, HUB_NAME_SCOPE_KEY: name}
        await self.handler(scope, receive, send)

    async def _handle_other_protocol(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take part in the server's lifespan; close a WebSocket, which ASGI turns into a 403."""
        if scope["type"] != "lifespan":
            await send({"type": "websocket.close"})
            return
        while (await receive())["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        self.api.clock_waiter.close()
        await send({"type": "lifespan.shutdown.complete"})


def _belongs_to_control_plane(scope: Scope) -> bool:
    path = scope["path"]
    if path == "/":  # a person who opens the address; a client of the API gets a 404 in JSON
        return b"text/html" in headers_of(scope).get(b"accept", b"")
    return is_under(CONTROL_PREFIX, path) or path in OPENAPI_PATHS


def is_under(prefix: str, path: str) -> bool:
    return path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in ("", "/")

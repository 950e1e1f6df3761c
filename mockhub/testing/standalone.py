"""Hubs without pytest: `mockhub.running` on a server, and `mockhub.ASGI` in process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Unpack

from mockhub.testing.config import HubConfig, HubOptions
from mockhub.testing.hub import Hub
from mockhub.testing.in_process import InProcessHost
from mockhub.testing.server import HubServer
from mockhub.web.asgi import Receive, Scope, Send


@contextmanager
def running(*, port: int = 0, **options: Unpack[HubOptions]) -> Iterator[Hub]:
    """Serve one hub on loopback until the end of the block, for unittest and scripts.

    Args:
        port: The port to listen on; 0 picks a free one.
        options: The options of the marker ``mockhub``.

    Raises:
        MockhubError: if an option is not valid, or the port is in use.
        AssertionError: at the end, if a response did not match the API spec.

    Example:
        >>> import mockhub
        >>> with mockhub.running(credits=16) as hub:
        ...     response = hub.client().get("/credits")
        >>> response.json()["credits"]
        16
    """
    config = HubConfig.from_options(options, source="mockhub.running")
    with HubServer(port=port) as server, Hub.create(server, config, "hub") as hub:
        yield hub
        hub.assert_no_spec_violations()


class ASGI:
    """The API with one hub as an ASGI application, in process and without a socket.

    Args:
        base_url: The base of URLs in responses; a client in process may use any.
        options: As for `running`.

    Attributes:
        hub: The hub.

    Raises:
        MockhubError: if an option is not valid.

    A fault that closes the connection raises httpx's error for it, as a server's client would see
    it. Under trio the requests are handled by an event loop of asyncio in another thread.

    Example:
        >>> import asyncio, mockhub
        >>> app = mockhub.ASGI(credits=16)
        >>> async def get_credits():
        ...     async with app.hub.async_client() as client:
        ...         return (await client.get("/credits")).json()["credits"]
        >>> asyncio.run(get_credits())
        16
    """

    def __init__(self, *, base_url: str = "http://mockhub", **options: Unpack[HubOptions]) -> None:
        config = HubConfig.from_options(options, source="mockhub.ASGI")
        self._app_host = InProcessHost(base_url)
        self.hub = Hub.create(self._app_host, config)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app_host.handle(scope, receive, send)

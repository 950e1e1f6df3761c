"""A hub without pytest: for unittest and scripts, and in process without a socket."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Unpack

from mockhub.testing.app_host import AppHost
from mockhub.testing.config import HubConfig, HubOptions
from mockhub.testing.hub import Hub
from mockhub.testing.server import HubServer
from mockhub.web.asgi import Receive, Scope, Send


@contextmanager
def running(*, port: int = 0, **options: Unpack[HubOptions]) -> Iterator[Hub]:
    """A server with one hub, for unittest and scripts; both are gone at the end of the block.

    Args:
        port: where to listen on loopback; 0 picks a free one.
        options: `scenario`, `credits`, `clock`, `seed`, `faults` and `provider`, as the marker takes
            them.

    Raises:
        MockhubError: if an option cannot be used, or the address cannot be had.
        AssertionError: at the end, if the server broke its own law.

    Example:
        >>> import mockhub
        >>> with mockhub.running(credits=16) as hub:
        ...     answer = hub.client().get("/credits")
        >>> answer.json()["credits"]
        16
    """  # noqa: E501
    config = HubConfig.from_options(options, source="mockhub.running")
    with HubServer(port=port) as server, Hub.create(server, config, "hub") as hub:
        yield hub
        hub.assert_no_spec_violations()


class ASGI:
    """The API as an ASGI application in process, without a socket.

    Args:
        base_url: what addresses in answers begin with; a client in process may use any.
        options: as `running` takes them.

    Attributes:
        hub: its world.

    Example:
        >>> import asyncio, mockhub
        >>> app = mockhub.ASGI(credits=16)
        >>> async def ask():
        ...     async with app.hub.async_client() as client:
        ...         return (await client.get("/credits")).json()["credits"]
        >>> asyncio.run(ask())
        16
    """

    def __init__(self, *, base_url: str = "http://mockhub", **options: Unpack[HubOptions]) -> None:
        config = HubConfig.from_options(options, source="mockhub.ASGI")
        self._app_host = AppHost(base_url)
        self.hub = Hub.create(self._app_host, config)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app_host.app(scope, receive, send)
